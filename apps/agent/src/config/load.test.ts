import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from './load.js';

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'infra-agent-config-'));
});

afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

function load(text: string, overrides = {}) {
  const file = join(directory, 'agent.yaml');
  writeFileSync(file, text);
  return loadConfig(file, overrides);
}

describe('loadConfig', () => {
  it('has defaults for everything', () => {
    expect(load('')).toMatchObject({
      managerAddress: '127.0.0.1:50002',
      interfaceType: 'tap',
      tapPrefix: 'P4TAP_',
      mtu: 1500,
      cniSocket: '/var/run/infra-offload/cni.sock',
      stateDirectory: '/var/lib/cni/infraagent',
      monitoringAddress: '127.0.0.1:50096',
      log: { level: 'info', modules: {} },
      nodeName: expect.stringMatching(/./),
    });
  });

  it('puts flags and environment over the file', () => {
    const config = load('mtu: 1400\nnodeName: a\nlog: { level: debug, modules: { sync: trace } }', {
      nodeName: 'b',
      managerAddress: undefined,
      log: { level: 'warn' },
    });
    expect(config).toMatchObject({
      mtu: 1400,
      nodeName: 'b',
      log: { level: 'warn', modules: { sync: 'trace' } },
    });
  });

  it.each([
    ['managerAddres: x', /agent\.yaml: unknown key 'managerAddres'; did you mean 'managerAddress'\?/],
    ['managerAddr: x', /did you mean 'managerAddress'\?/],
    ['colour: red', /unknown key 'colour'$/],
    ['log: { level: info, modules: { cny: info } }', /log\.modules/],
    ['hostInterface: { address: 10.0.0.1 }', /unknown key 'hostInterface.address'/],
    ['mtu: 100', /agent\.yaml: mtu: /],
    ['mtu: "1500"', /mtu: /],
    ['managerAddress: 127.0.0.1', /managerAddress: is not of the form host:port/],
    ['managerAddress: 127.0.0.1:0', /managerAddress: /],
    ['managerAddress: 127.0.0.1:70000', /managerAddress: /],
    ['cniSocket: run/cni.sock', /cniSocket: is not an absolute path/],
    ['interfaceType: cdq', /interfaceType: /],
    ['tapPrefix: "x y"', /tapPrefix: /],
    ['tapPrefix: abcdefghijkl', /tapPrefix: is not 1 to 11/],
    ['serviceCidrs: [10.96.0.0]', /serviceCidrs\.0: is not an IPv4 CIDR/],
    ['podCidrs: [fd00::/8]', /podCidrs\.0: is not an IPv4 CIDR/],
    ['hostInterface: { addresses: [x] }', /hostInterface\.addresses\.0: is not an IPv4 address/],
    ['log: { level: loud }', /log\.level: /],
    ['manifestsDirectory: /m\nkubernetes: {}', /kubernetes: and manifestsDirectory are both given/],
    ['kubernetes: { context: c }', /kubernetes\.context: .*name that, too/],
    ['kubernetes: { kubeconfig: k }', /kubernetes\.kubeconfig: is not an absolute path/],
    ['uplink: { mac: "02:00:00:00:00:01" }', /uplink\.interface: /],
    ['uplink: { interface: u, mac: "01:00:00:00:00:01" }', /uplink\.mac: is not a unicast MAC/],
    ['- a', /agent\.yaml: the configuration is not a mapping/],
    ['a: [', /agent\.yaml:1:\d+: /],
    ['mtu: 1500\nmtu: 1501', /agent\.yaml:2:1: Map keys must be unique/],
  ])('refuses %j', (text, message) => {
    expect(() => load(text)).toThrow(
      expect.objectContaining({ code: 'CONFIG', message: expect.stringMatching(message) }),
    );
  });

  it('names flags and environment when these are wrong', () => {
    expect(() => load('', { mtu: 1 })).toThrow(/^flags and environment: mtu: /);
  });

  it('refuses a file that is not there if it was asked for', () => {
    expect(() => loadConfig(join(directory, 'none.yaml'))).toThrow(/none\.yaml cannot be read/);
  });
});
