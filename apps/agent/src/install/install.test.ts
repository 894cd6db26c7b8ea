import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_SOCKET_PATH } from '../cni-socket.js';
import { CniConfiguration, configurationText } from './cni-configuration.js';
import { removeNetworkFiles } from './network-files.js';
import { installPlugin, removePlugin } from './plugin-files.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'infra-offload-install-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('the plugin on a node', () => {
  const places = () => ({ root, binDirectory: '/opt/cni/bin', nodeDirectory: '/opt/infra/bin' });
  const source = async (text: string) => {
    const path = join(root, 'infra-cni.js');
    await writeFile(path, `#!/usr/bin/env node\n${text}`);
    return path;
  };

  it('names the Node.js that was installed beside it', async () => {
    const files = await installPlugin(await source('// it\n'), places());
    expect(files).toEqual(['/opt/cni/bin/infra-cni', '/opt/infra/bin/node']);
    const plugin = join(root, '/opt/cni/bin/infra-cni');
    expect((await readFile(plugin, 'utf8')).split('\n')[0]).toBe('#!/opt/infra/bin/node');
    expect((await stat(plugin)).mode & 0o777).toBe(0o755);
  });

  it('is replaced by an update, and goes without a trace', async () => {
    await installPlugin(await source('// old\n'), places());
    await installPlugin(await source('// new\n'), places());
    expect(await readFile(join(root, '/opt/cni/bin/infra-cni'), 'utf8')).toBe(
      '#!/opt/infra/bin/node\n// new\n',
    );
    expect(await readdir(join(root, '/opt/cni/bin'))).toEqual(['infra-cni']);
    await removePlugin('infra-cni', places());
    await removePlugin('infra-cni', places());
    expect(await readdir(join(root, '/opt/cni/bin'))).toEqual([]);
    expect(await readdir(join(root, '/opt/infra'))).toEqual([]);
  });

  it('says which file could not be written', async () => {
    await writeFile(join(root, 'opt'), 'not a directory');
    await expect(installPlugin(await source(''), places())).rejects.toMatchObject({
      code: 'STATE',
      message: expect.stringContaining(join(root, 'opt/infra/bin/node')),
    });
  });
});

describe('the network configuration', () => {
  const make = () => {
    const path = join(root, 'net.d/10-infra-offload.conflist');
    const logger = pino({ level: 'silent' });
    return { path, configuration: new CniConfiguration({ path, socketPath: DEFAULT_SOCKET_PATH, logger }) };
  };

  it('is written once the range of the node is known, and again when it changes', async () => {
    const { path, configuration } = make();
    await configuration.update([]);
    await expect(stat(path)).rejects.toThrow('ENOENT');
    await configuration.update(['10.244.3.0/24']);
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({
      cniVersion: '1.0.0',
      name: 'infra-offload',
      plugins: [
        {
          type: 'infra-cni',
          ipam: { type: 'host-local', ranges: [[{ subnet: '10.244.3.0/24' }]] },
          capabilities: { bandwidth: true },
        },
        { type: 'portmap', snat: true, capabilities: { portMappings: true } },
      ],
    });
    await configuration.update(['10.244.4.0/24']);
    expect(await readFile(path, 'utf8')).toContain('10.244.4.0/24');
  });

  it('is left alone when it is right, whoever wrote it', async () => {
    const first = make();
    await first.configuration.update(['10.244.3.0/24']);
    const { mtimeMs } = await stat(first.path);
    await make().configuration.update(['10.244.3.0/24']);
    expect((await stat(first.path)).mtimeMs).toBe(mtimeMs);
  });

  it('names the socket only where it is not the default', () => {
    expect(configurationText(['10.0.0.0/24'], '/run/other.sock')).toContain('"socket": "/run/other.sock"');
    expect(configurationText(['10.0.0.0/24'], DEFAULT_SOCKET_PATH)).not.toContain('socket');
  });
});

describe('what is remembered of pods', () => {
  const cached = (networkName: string) =>
    JSON.stringify({
      kind: 'cniCacheV1',
      containerId: 'c1',
      ifName: 'eth0',
      networkName,
      result: { ips: [] },
    });
  const names = async (folder: string) => (await readdir(join(root, 'var/lib/cni', folder))).sort();

  it('goes with the network that the agent configured, and no other', async () => {
    const write = async (path: string, text: string) => {
      await mkdir(join(root, 'var/lib/cni', dirname(path)), { recursive: true });
      await writeFile(join(root, 'var/lib/cni', path), text);
    };
    for (const network of ['infra-offload', 'infra-offload-2', 'other']) {
      await write(`networks/${network}/10.244.0.2`, 'c1\r\neth0');
      await write(`networks/${network}/last_reserved_ip.0`, '10.244.0.2');
      await write(`results/${network}-c1-eth0`, cached(network));
    }
    await write('results/infra-offload-torn', '{');
    await removeNetworkFiles(root);
    expect(await names('networks')).toEqual(['infra-offload-2', 'other']);
    expect(await names('results')).toEqual([
      'infra-offload-2-c1-eth0',
      'infra-offload-torn',
      'other-c1-eth0',
    ]);
  });

  it('need not be there', async () => {
    await removeNetworkFiles(root);
    expect(await readdir(root)).toEqual([]);
  });
});
