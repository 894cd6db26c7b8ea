import { infra } from '@infra-offload/infra-api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ManagerError } from '../errors.js';
import { belongsToSync, objectKey, type WantedState } from '../model/objects.js';
import { fromJson, toJson } from '../state/record.js';
import { readPod } from '../state/validate.js';
import { isIpdkPod, sandboxKey } from './names.js';
import { readHost, readNetwork, readRelease, readTranslation, readTranslationKey } from './read.js';
import { addRequest, network, translation } from './testing.js';

const pod = (more: Partial<ReturnType<typeof addRequest>>) => () =>
  readNetwork(network(1, { addRequest: { ...addRequest(1), ...more } }));
const ips = (...addresses: string[]) => ({
  containerIps: addresses.map((address) => ({ address, gateway: '' })),
});

describe('CreateNetwork', () => {
  it('becomes a pod', () => {
    expect(readNetwork(network(1))).toEqual({
      kind: 'pod',
      attachmentId: '~ipdk/netns/var/run/netns/cni-1/eth0',
      namespace: 'default',
      name: 'pod-1',
      interfaceName: 'mem1',
      mac: 0x0200_0000_0101,
      ip: 0x0af4_0101,
    });
  });

  it('the desired interface counts when no other is told', () => {
    expect(readNetwork(network(1, { hostIfName: '' })).interfaceName).toBe('mem1');
  });

  it.each<[string, () => unknown, RegExp]>([
    ['no address', pod(ips()), /container_ips is ""; expected exactly one IPv4 address/],
    ['two addresses', pod(ips('10.0.0.1/32', 'fd00::1/128')), /expected exactly one IPv4 address/],
    ['IPv6', pod(ips('fd00::1/128')), /expected a unicast IPv4 address/],
    ['a prefix too long', pod(ips('10.0.0.1/33')), /container_ips\[0\]\.address is "10\.0\.0\.1\/33"/],
    ['two prefixes', pod(ips('10.0.0.1/24/24')), /address is/],
    ['multicast', pod(ips('224.0.0.1/32')), /address is/],
    ['the gateway', pod(ips('169.254.1.1/32')), /is the gateway of all pods/],
    ['a namespace with a space', pod({ netns: '/run/a b' }), /netns is "\/run\/a b"/],
    ['a namespace that is a slash', pod({ netns: '/' }), /netns is "\/"/],
    ['a long namespace', pod({ netns: `/${'a'.repeat(600)}` }), /up to 512 characters/],
    ['a slash in an interface', pod({ interfaceName: 'a/b' }), /interface_name is "a\/b"/],
    ['a long interface', pod({ interfaceName: 'a'.repeat(16) }), /up to 15 characters/],
    ['a broadcast MAC', () => readNetwork(network(1, { macAddr: 'ff:ff:ff:ff:ff:ff' })), /mac_addr is/],
    ['no interface', () => readNetwork(network(1, { hostIfName: '', ...noDesired })), /host_if_name is ""/],
  ])('%s is refused', (_, read, message) => {
    expect(read).toThrow(message);
  });
  const noDesired = { addRequest: { ...addRequest(1), desiredHostInterfaceName: '' } };
});

describe('other requests', () => {
  it('a host interface may carry a prefix length', () => {
    const host = { ifName: 'P4TAP_0', macAddr: '02:00:00:00:00:01' };
    expect(readHost({ ...host, ipv4Addr: '200.1.1.2/32' })).toEqual(
      readHost({ ...host, ipv4Addr: '200.1.1.2' }),
    );
    expect(() => readHost({ ...host, ifName: '', ipv4Addr: '200.1.1.2' })).toThrow(/if_name is ""/);
  });

  it('IPv6 endpoints are left out and named; malformed ones spoil the request', () => {
    const mixed = translation('10.96.0.10:80', ['10.244.1.1:80']);
    mixed.backends.push({ dstEp: { ipv4Addr: 'fd00::1', port: 80 }, srcEp: undefined });
    expect(readTranslation(mixed).service).toMatchObject({
      endpoints: [{ address: 0x0af4_0101, port: 80, weight: 1 }],
      unsupportedAddresses: ['endpoint [fd00::1]:80'],
    });
    const add =
      (...args: Parameters<typeof translation>) =>
      () =>
        readTranslation(translation(...args));
    expect(add('10.96.0.10:80', ['10.244.1.1:0'])).toThrow(/backends\[0\]\.dst_ep\.port is "0"/);
    expect(add('10.96.0.10:80', ['10.244.1:80'])).toThrow(/backends\[0\]\.dst_ep\.ipv4_addr/);
    expect(add('10.96.0.10:80', [], { backends: [{ dstEp: undefined, srcEp: undefined }] })).toThrow(
      /dst_ep/,
    );
    expect(add('10.96.0.10:80', [], { proto: '' })).toThrow(/proto is ""; expected TCP or UDP/);
    expect(add('10.96.0.10:70000', [])).toThrow(/endpoint\.port is "70000"/);
    expect(add('0.0.0.0:80', [])).toThrow(/endpoint\.ipv4_addr is "0\.0\.0\.0"/);
  });

  it('a translation is deleted under the key that it was added under', () => {
    const added = translation('10.96.0.10:80', ['10.244.1.1:80'], { proto: 'tcp' });
    expect(readTranslationKey({ ...added, proto: 'TCP', backends: [] })).toBe(
      objectKey(readTranslation(added).service),
    );
  });
});

const text = fc.oneof(
  fc.string(),
  fc.constantFrom('', '10.244.1.7/32', '10.96.0.1', '02:00:00:00:00:07', 'eth0', 'TCP'),
);

it('property: whatever a request holds, it is an object that can be stored, or INVALID_OBJECT', () => {
  const endpoint = fc.option(fc.record({ ipv4Addr: text, port: fc.nat(70_000) }), { nil: undefined });
  const requests = fc.record({
    interfaceName: text,
    netns: text,
    address: text,
    mac: text,
    iface: text,
    endpoint,
    proto: text,
    backends: fc.array(fc.record({ dstEp: endpoint, srcEp: endpoint }), { maxLength: 3 }),
  });
  fc.assert(
    fc.property(requests, ({ interfaceName, netns, address, mac, iface, ...nat }) => {
      const sandbox = { interfaceName, netns };
      const names = { hostIfName: iface, macAddr: mac };
      const add = infra.CreateNetworkRequest.fromPartial({
        addRequest: { ...sandbox, containerIps: [{ address }] },
        ...names,
      });
      for (const read of [
        () => readNetwork(add),
        () => readHost({ ifName: iface, ipv4Addr: address, macAddr: mac }),
        () => readTranslation({ ...nat, isRealIp: false }).service,
      ]) {
        const object = orInvalid<WantedState>(read);
        if (object === undefined) continue;
        const key = objectKey(object);
        expect(belongsToSync(key)).toBe(false);
        expect(Buffer.byteLength(key)).toBeLessThan(1000);
        expect(fromJson(key, JSON.parse(JSON.stringify(toJson({ object })))).object).toEqual(object);
      }
      orInvalid(() => readRelease({ delRequest: sandbox, ipv4Addr: address, ...names }));
      orInvalid(() => readTranslationKey({ ...nat, isRealIp: false }));
    }),
  );
});

it('no pod of Offload can have the name of one of these', () => {
  const key = sandboxKey({ netns: '/run/netns/a', interfaceName: 'eth0' }) ?? 'pod/';
  expect(isIpdkPod(key)).toBe(true);
  const wire = {
    namespace: 'a',
    name: 'b',
    interfaceName: 'm',
    mac: '02:00:00:00:00:01',
    addresses: ['10.0.0.1'],
  };
  for (const attachmentId of [key.slice(4), '~ipdk/eth0', '~a/b']) {
    expect(() => readPod({ attachmentId, ...wire })).toThrow(/attachment_id/);
  }
});

function orInvalid<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!ManagerError.is(error, 'INVALID_OBJECT')) throw error;
    return undefined;
  }
}
