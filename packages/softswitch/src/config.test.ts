import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addSettings, commandLayer, programCommand } from '@infra-offload/service';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { readConfig, SETTINGS } from './config.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'softswitch-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

/** What a command line says. */
function given(...args: readonly string[]) {
  const command = addSettings(programCommand('softswitch', '', '0'), SETTINGS);
  return commandLayer(command.parse(args, { from: 'user' }), SETTINGS);
}

function file(text: string): string {
  const path = join(directory, 'config.yaml');
  writeFileSync(path, text);
  return path;
}

it('everything has a default', () => {
  expect(readConfig(undefined)).toEqual({
    p4runtime: '127.0.0.1:9559',
    gnmi: '127.0.0.1:9339',
    keptDataplane: false,
    deviceId: 1,
    taps: { prefix: 'P4TAP_', count: 16, mtu: 1500 },
    dataplane: 'engine',
    dpdk: {
      host: 'swx-host',
      hugepages: false,
      memoryMb: 1024,
      ports: 128,
      compile: true,
      cache: '/var/cache/swx-host',
    },
    runDirectory: '/run/softswitch',
    tls: {
      mode: 'mtls',
      cert: '/usr/share/stratum/certs/stratum.crt',
      key: '/usr/share/stratum/certs/stratum.key',
      ca: '/usr/share/stratum/certs/ca.crt',
    },
    log: { level: 'info', modules: {} },
  });
  expect(readConfig(file('# nothing\n')).deviceId).toBe(1);
});

it('flags go over the file, leaf by leaf', () => {
  const path = file('gnmi: "[::1]:1"\ndeviceId: 7\ntaps: { count: 4, mtu: 9000 }\n');
  expect(
    readConfig(path, given('--taps', '2', '--p4runtime', 'unix:/run/x', '--tls-cert', 'c', '--tls-key', 'k')),
  ).toMatchObject({
    p4runtime: 'unix:/run/x',
    gnmi: '[::1]:1',
    deviceId: 7,
    taps: { prefix: 'P4TAP_', count: 2, mtu: 9000 },
    tls: { mode: 'mtls', cert: 'c', key: 'k', ca: '/usr/share/stratum/certs/ca.crt' },
  });
});

it('DPDK has its own section, and two flags', () => {
  const path = file(
    'dataplane: dpdk\ndpdk: { host: /a, hugepages: true, ports: 16, cpu: 3, library: /a.so, compile: false }\n',
  );
  const dpdk = {
    host: '/a',
    hugepages: true,
    memoryMb: 1024,
    ports: 16,
    cpu: 3,
    library: '/a.so',
    compile: false,
    cache: '/var/cache/swx-host',
  };
  expect(readConfig(path)).toMatchObject({ dataplane: 'dpdk', dpdk });
  expect(readConfig(path, given('--swx-host', '/b', '--swx-library', '/b.so')).dpdk).toEqual({
    ...dpdk,
    host: '/b',
    library: '/b.so',
  });
});

it.each([
  ['deviceId: 0', /config\.yaml:1:11: deviceId: /],
  ['taps: 5', /taps/],
  ['port: 3', /port/],
  ['- 1', /mapping/],
  ['a: [', /config\.yaml:1:5: /],
  ['tls: { mode: none }', /tls\.mode/],
  ['tls: { password: x }', /config\.yaml:1:18: unknown key 'tls\.password'; there are 'mode'/],
  ['log: { level: loud }', /log\.level/],
  ['logLevel: info', /config\.yaml:1:11: 'logLevel' is called 'log\.level'/],
  ['dpdk: { library: 3 }', /dpdk\.library/],
  ['dpdk: { ports: 0 }', /dpdk\.ports/],
  ['dpdk: { cache: here }', /dpdk\.cache: must be an absolute path/],
  ['dpdk: { hugepages: 384 }', /dpdk\.hugepages/],
])('%s is refused by name', (text, message) => {
  expect(() => readConfig(file(text))).toThrow(
    expect.objectContaining({ code: 'CONFIG', message: expect.stringMatching(message) }),
  );
});

it('flags and variables that are wrong, and files that are not there, are refused', () => {
  expect(() => readConfig(file('taps: { count: 3 }'), given('--taps', '5000'))).toThrow(
    /^--taps: taps\.count/,
  );
  vi.stubEnv('SOFTSWITCH_TAPS', '5000');
  expect(() => readConfig(undefined, given())).toThrow(/^SOFTSWITCH_TAPS: taps\.count/);
  expect(() => readConfig('/nowhere/x.yaml')).toThrow(/^\/nowhere\/x\.yaml: cannot be read: ENOENT/);
});
