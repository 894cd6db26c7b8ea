import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { IdentityFiles } from '../layout.js';
import { call, EchoServers } from '../testing/echo.js';
import { Scratch } from '../testing/scratch.js';

const scratch = new Scratch();
let servers: EchoServers;
let agent: IdentityFiles;
const serve: EchoServers['serve'] = (options) => servers.serve(options);

beforeAll(async () => {
  servers = new EchoServers(await scratch.put(await scratch.issue('manager')));
  agent = await scratch.put(await scratch.issue('agent'));
});
afterEach(() => servers.close());
afterAll(() => scratch.remove());

it('takes the certificates that IPDK makes: roles by common names, no extended key usage', async () => {
  const caFile = join(scratch.directory, 'ipdk-ca.crt');
  const caKey = join(scratch.directory, 'ipdk-ca.key');
  writeFileSync(caFile, (await scratch.authority).certificate);
  writeFileSync(caKey, (await scratch.authority).key);
  const ipdk = (commonName: string): IdentityFiles => {
    const file = (suffix: string) => join(scratch.directory, `${commonName}.${suffix}`);
    writeFileSync(
      file('cnf'),
      'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment,keyAgreement\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n',
    );
    execFileSync(
      'openssl',
      [
        'req',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-subj',
        `/C=US/ST=CA/L=SJ/O=IPDK/CN=${commonName}`,
        '-keyout',
        file('key'),
        '-out',
        file('csr'),
      ],
      { stdio: 'pipe' },
    );
    execFileSync(
      'openssl',
      [
        'x509',
        '-req',
        '-in',
        file('csr'),
        '-CA',
        caFile,
        '-CAkey',
        caKey,
        '-set_serial',
        '1000',
        '-extfile',
        file('cnf'),
        '-out',
        file('crt'),
      ],
      { stdio: 'pipe' },
    );
    return { ca: caFile, cert: file('crt'), key: file('key') };
  };
  const { address } = await serve({ files: ipdk('inframanager-server') });
  expect(await call(address, ipdk('infraagent-client'))).toBe('agents');
  expect(await call(address, ipdk('stratum-client'))).toMatch(/PERMISSION_DENIED/);
  expect(await call(address, ipdk('somebody'))).toMatch(
    /PERMISSION_DENIED: .* CN=somebody is that of nobody known here/,
  );
  // What names no role may be a server, if its name is right.
  const { address: unnamed } = await serve({ files: ipdk('infra.example') });
  expect(await call(unnamed, agent)).toBe('agents');
  const { address: impostor } = await serve({ files: ipdk('infraagent-client') });
  expect(await call(impostor, agent)).toMatch(
    /the server is not infra-manager: its certificate CN=infraagent-client is that of an infra-agent/,
  );
});
