import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { loadConfig } from './load.js';

const directory = mkdtempSync(join(tmpdir(), 'manager-ipdk-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const file = join(directory, 'inframanager-config.yaml');

function load(text: string) {
  writeFileSync(file, text);
  const notices: string[] = [];
  return { config: loadConfig(file, undefined, (notice) => notices.push(notice)), notices };
}

it("takes the file of IPDK's manager", () => {
  const { config, notices } = load(`
Infrap4dGrpcServer:
  addr: localhost:9560
  conn: tls
  caCert: /certs/target-ca.crt
Infrap4dGnmiServer: { addr: "localhost:9340", conn: mtls, clientCert: /c.crt, clientKey: /c.key, caCert: /ca.crt }
Services: true
Policy: false
InfraManager:
  addr: 10.10.0.2:50002
  arpmac: ""
  conn: insecure
  serverCert: /s.crt
  serverKey: /s.key
  caCert: /s-ca.crt
  ciphersuites: [TLS_AES_256_GCM_SHA384]
  DBTicker: 5
InterfaceType: cdq
NodeIP: 10.0.0.1
LogLevel: Warning
DeviceID: 2
`);
  expect(config).toMatchObject({
    listen: '10.10.0.2:50002',
    tls: {
      mode: 'insecure',
      cert: '/s.crt',
      key: '/s.key',
      ca: '/s-ca.crt',
      cipherSuites: ['TLS_AES_256_GCM_SHA384'],
    },
    target: {
      p4runtimeAddress: 'localhost:9560',
      p4runtimeTls: { mode: 'tls', ca: '/certs/target-ca.crt', cert: '/etc/pki/inframanager/client/tls.crt' },
      gnmiAddress: 'localhost:9340',
      gnmiTls: { mode: 'mtls', cert: '/c.crt', key: '/c.key', ca: '/ca.crt' },
      deviceId: 2,
    },
    interfaceType: 'cdq',
    log: { level: 'warn' },
  });
  expect(notices.map((notice) => /: (\S+) has no effect: /.exec(notice)?.[1])).toEqual(
    expect.arrayContaining(['Services', 'Policy', 'InfraManager.arpmac', 'InfraManager.DBTicker', 'NodeIP']),
  );
});

it.each([
  [
    'listen: 127.0.0.1:1\nInfraManager: { addr: "127.0.0.1:2" }',
    /\.yaml:2:24: InfraManager\.addr and listen are the same setting/,
  ],
  ['InfraManager: { conn: none }', /tls\.mode: /],
  [
    'InfraManager: { ciphersuits: [] }',
    /\.yaml:1:30: unknown key 'InfraManager\.ciphersuits'; did you mean 'ciphersuites'\?/,
  ],
  ['constructor: x', /\.yaml:1:14: unknown key 'constructor'/],
  ['LogLevel: constructor', /\.yaml:1:11: log\.level: /],
  ['Infrap4dGrpcServer: localhost', /unknown key 'Infrap4dGrpcServer'/],
  ['InfraManager: { ciphersuites: TLS_AES_256_GCM_SHA384 }', /tls\.cipherSuites: /],
])('%j fails with one line that names the place', (text, message) => {
  expect(() => load(text)).toThrow(message);
});
