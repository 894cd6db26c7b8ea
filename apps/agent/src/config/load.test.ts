import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from './load.js';
import { policySourceOf } from './schema.js';

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
  return loadConfig(file, { settings: overrides, placeOf: () => 'flags' });
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
      monitoring: { listen: '127.0.0.1:50096' },
      tls: { mode: 'mtls', cert: '/etc/pki/infraagent/client/tls.crt' },
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
    ['managerAddres: x', /agent\.yaml:1:16: unknown key 'managerAddres'; did you mean 'managerAddress'\?/],
    ['colour: red', /unknown key 'colour'; there are 'nodeName', /],
    [
      'monitoringAddress: 127.0.0.1:1',
      /agent\.yaml:1:20: 'monitoringAddress' is called 'monitoring\.listen'/,
    ],
    ['log: { level: info, modules: { cny: info } }', /log\.modules/],
    ['hostInterface: { address: 10.0.0.1 }', /unknown key 'hostInterface.address'; did you mean 'addresses'/],
    ['# c\nmtu: 100', /agent\.yaml:2:6: mtu: /],
    ['hostIfaceMTU: 100', /agent\.yaml:1:15: mtu: /],
    ['colour: red\nmtu: 1', /agent\.yaml:2:6: mtu: .*; .*agent\.yaml:1:9: unknown key 'colour'/],
    ['mtu: "1500"', /mtu: /],
    ['managerAddress: 127.0.0.1', /managerAddress: is not of the form host:port/],
    ['managerAddress: 127.0.0.1:0', /managerAddress: /],
    ['managerAddress: 127.0.0.1:70000', /managerAddress: /],
    ['cniSocket: run/cni.sock', /cniSocket: is not an absolute path/],
    ['interfaceType: veth', /interfaceType: /],
    ['tapPrefix: "x y"', /tapPrefix: /],
    ['tapPrefix: abcdefghijkl', /tapPrefix: is not 1 to 11/],
    ['serviceCidrs: [10.96.0.0]', /serviceCidrs\.0: is not an IPv4 CIDR/],
    ['podCidrs: [fd00::/8]', /podCidrs\.0: is not an IPv4 CIDR/],
    ['hostInterface: { addresses: [x] }', /hostInterface\.addresses\.0: is not an IPv4 address/],
    ['log: { level: loud }', /log\.level: /],
    ['manifestsDirectory: /m\nkubernetes: {}', /kubernetes: and manifestsDirectory are both given/],
    ['kubernetes: { context: c }', /kubernetes\.context: .*give the kubeconfig as well/],
    ['kubernetes: { kubeconfig: k }', /kubernetes\.kubeconfig: is not an absolute path/],
    ['uplink: { mac: "02:00:00:00:00:01" }', /uplink\.interface: /],
    ['uplink: { interface: u, mac: "01:00:00:00:00:01" }', /uplink\.mac: is not a unicast MAC/],
    ['- a', /agent\.yaml:1:1: the configuration is not a mapping/],
    ['a: [', /agent\.yaml:1:\d+: /],
    ['mtu: 1500\nmtu: 1501', /agent\.yaml:2:1: 'mtu' is given twice/],
    ['mtu: *x', /agent\.yaml:1:6: the alias \*x has no anchor before it/],
  ])('refuses %j', (text, message) => {
    expect(() => load(text)).toThrow(
      expect.objectContaining({ code: 'CONFIG', message: expect.stringMatching(message) }),
    );
  });

  it('serves Calico on a socket that only root can use, unless it is told otherwise', () => {
    expect(load('').calico).toBeUndefined();
    expect(load('calico: {}').calico).toEqual({ listen: 'unix:///var/run/calico/cni-server.sock' });
    expect(load('calico: { listen: "127.0.0.1:50001" }').calico).toEqual({ listen: '127.0.0.1:50001' });
  });

  it('takes the file that IPDK generates', () => {
    const file = `
interfaceType: tap
interface: ""
hostIfaceMTU: 1280
insecure: true
mtls: false
logLevel: Warning
managerAddr: 10.10.0.2
managerPort: 50003
services: true
policy: true
`;
    const config = load(file);
    expect(config).toMatchObject({
      mtu: 1280,
      managerAddress: '10.10.0.2:50003',
      log: { level: 'warn' },
      kubernetes: {},
      tls: { mode: 'insecure' },
    });
    expect(config.interface).toBeUndefined();
    expect(config.networkPolicy).toBe('felix');
    expect(load('policy: false\nservices: true').networkPolicy).toBe('off');
    expect(load(file, { managerPort: 50004, logLevel: 'Panic' })).toMatchObject({
      managerAddress: '10.10.0.2:50004',
      log: { level: 'fatal' },
    });
    expect(load('managerAddr: "::1"').managerAddress).toBe('[::1]:50002');
    expect(load('services: true\nmanifestsDirectory: /m').kubernetes).toBeUndefined();
    expect(load('services: false').kubernetes).toBeUndefined();
  });

  it.each([
    [{}, {}, 'mtls'],
    [{ insecure: true, mtls: false }, {}, 'insecure'],
    [{ insecure: false, mtls: false }, {}, 'tls'],
    [{ mtls: false }, {}, 'tls'],
    [{ insecure: false }, {}, 'mtls'],
    [{ insecure: true }, { insecure: false }, 'mtls'],
    [{ insecure: true }, { mtls: false }, 'insecure'],
    [{ mtls: false }, { insecure: false }, 'tls'],
    [{ insecure: true }, { mtls: true }, 'mtls'],
    [{ mtls: false }, { tls: { mode: 'mtls' } }, 'mtls'],
  ])("has IPDK's %j, and %j over it, as tls.mode %s", (file, flags, mode) => {
    expect(load(JSON.stringify(file), flags).tls.mode).toBe(mode);
  });

  it('has policies from where services come, unless the configuration says otherwise', () => {
    const of = (text: string) => policySourceOf(load(text));
    expect(of('')).toBe('off');
    expect(of('services: true')).toBe('kubernetes');
    expect(of('manifestsDirectory: /m')).toBe('kubernetes');
    expect(of('services: true\nnetworkPolicy: kubernetes')).toBe('kubernetes');
    expect(of('kubernetes: {}\nnetworkPolicy: off')).toBe('off');
    expect(of('kubernetes: {}\nnetworkPolicy: felix')).toBe('felix');
  });

  it.each([
    ['hostIfaceMTU: 1280\nmtu: 1280', /agent\.yaml:1:15: hostIfaceMTU and mtu are the same setting/],
    ['managerPort: 1\nmanagerAddress: a:1', /managerPort and managerAddress are the same/],
    ['logLevel: Info\nlog: { level: info }', /logLevel and log\.level are the same/],
    ['logLevel: Loud', /log\.level: /],
    ['managerPort: 0', /managerAddress: /],
    ['insecure: true\nmtls: true', /agent\.yaml:1:11: insecure and mtls are both true/],
    ['mtls: false\ntls: { mode: tls }', /agent\.yaml:1:7: mtls and tls\.mode are the same setting/],
    ['insecure: maybe', /agent\.yaml:1:11: tls\.mode: /],
    ['clientKey: ""', /agent\.yaml:1:13: tls\.key: /],
    ['services: false\nkubernetes: {}', /services: is false, but kubernetes says where/],
    ['services: false\nmanifestsDirectory: /m', /services: is false, but manifestsDirectory says where/],
    ['services: "yes"', /services: /],
    ['policy: true\nnetworkPolicy: off', /agent\.yaml:1:9: policy and networkPolicy are the same setting/],
    ['constructor: x', /agent\.yaml:1:14: unknown key 'constructor'/],
    ['logLevel: constructor', /agent\.yaml:1:11: log\.level: /],
    ['policy: "yes"', /networkPolicy: /],
    ['felix: {}', /felix: is given, but networkPolicy is off: make it felix/],
    ['networkPolicy: felix\nfelix: { socket: relative }', /felix\.socket: is not an absolute path/],
    ['networkPolicy: felix\nfelix: { dialect: v3 }', /felix\.dialect: .*"policy-ids"/],
    ['networkPolicy: calico', /networkPolicy: .*"kubernetes"\|"felix"\|"off"/],
    [
      'networkPolicy: kubernetes',
      /networkPolicy: is kubernetes, but neither kubernetes nor manifestsDirectory/,
    ],
    ['calico: { listen: 0.0.0.0:50001 }', /calico\.listen: .*loopback/],
    ['calico: { listen: "unix:relative" }', /calico\.listen: /],
    ['nodeName: ../x', /nodeName: is not the name of a node/],
    [`nodeName: ${'x'.repeat(300)}`, /^\S+\.yaml:1:11: nodeName: is not the name of a node$/],
  ])('refuses %j', (text, message) => {
    expect(() => load(text)).toThrow(message);
  });

  it('puts the file of the node over the file for all, and flags over both', () => {
    const overlay = join(directory, 'node-7.yaml');
    writeFileSync(overlay, 'hostIfaceMTU: 1400\npodCidrs: [10.244.7.0/24]\nlog: { modules: { cni: debug } }');
    const file = 'nodeName: node-7\nmtu: 1300\nlog: { level: warn }';
    expect(load(file)).toMatchObject({
      nodeName: 'node-7',
      mtu: 1400,
      podCidrs: ['10.244.7.0/24'],
      log: { level: 'warn', modules: { cni: 'debug' } },
    });
    expect(load('mtu: 1300', { nodeName: 'node-7', mtu: 1350 }).mtu).toBe(1350);
    expect(load('mtu: 1300', { nodeName: 'node-8' }).mtu).toBe(1300);
    writeFileSync(overlay, 'mtuu: 1');
    expect(() => load(file)).toThrow(/node-7\.yaml:1:7: unknown key 'mtuu'/);
    writeFileSync(overlay, 'nodeName: node-9');
    expect(() => load(file)).toThrow(/node-7\.yaml: is for node node-7, but names it node-9/);
    rmSync(overlay);
  });

  it('names flags and environment when these are wrong', () => {
    expect(() => load('', { mtu: 1 })).toThrow(/^flags: mtu: /);
  });

  it('refuses a file that is not there if it was asked for', () => {
    expect(() => loadConfig(join(directory, 'none.yaml'))).toThrow(/none\.yaml: cannot be read: ENOENT/);
  });
});
