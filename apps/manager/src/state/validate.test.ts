import { Protocol, type WantedObject } from '@infra-offload/infra-api';
import { describe, expect, it } from 'vitest';
import { ManagerError } from '../errors.js';
import { node, pod, podObject, service } from '../testing/agent.js';
import { readObject, readPod, wireKey } from './validate.js';

function fault(wire: WantedObject): string {
  try {
    readObject(wire);
  } catch (error) {
    if (ManagerError.is(error, 'INVALID_OBJECT')) return `${error.details.field}: ${error.message}`;
    throw error;
  }
  throw new Error('expected a fault');
}

const host = { interfaceName: 'mem0', mac: '02:00:00:00:00:01', addresses: ['10.244.1.254'] };
const route = {
  cidr: '10.245.0.0/16',
  interfaceName: 'up0',
  nextHopMac: '02:00:00:00:00:02',
  sourceMac: '02:00:00:00:00:03',
  sourceAddress: '',
  masquerade: false,
};

describe('readObject', () => {
  it('a service in numbers, with weights and without repetitions', () => {
    const wire = service(
      'web',
      ['10.96.0.10:80', '10.96.0.10:80'],
      ['10.244.1.1:80*0', '10.244.1.1:80', '10.244.1.2:80*5'],
      {
        portName: 'http',
        sessionAffinity: { timeoutSeconds: 60 },
      },
    );
    expect(readObject(wire)).toEqual({
      kind: 'service',
      namespace: 'default',
      name: 'web',
      portName: 'http',
      protocol: 'TCP',
      frontends: [{ address: 0x0a60000a, port: 80 }],
      endpoints: [
        { address: 0x0af40101, port: 80, weight: 1 },
        { address: 0x0af40102, port: 80, weight: 5 },
      ],
      hasEndpointsElsewhere: false,
      affinitySeconds: 60,
      unsupportedAddresses: [],
      agentConditions: [],
    });
    expect(wireKey(wire)).toBe('service/default/web:http/TCP');
  });

  it('a pod that Kubernetes does not know has no name, but not half of one', () => {
    const wire = {
      attachmentId: 'c1/eth0',
      namespace: '',
      name: '',
      interfaceName: 'P4TAP_1',
      mac: '02:00:00:00:00:01',
      addresses: ['10.244.0.2'],
    };
    expect(readPod(wire)).toMatchObject({ namespace: '', name: '', ip: 0x0af40002 });
    expect(() => readPod({ ...wire, name: 'cart' })).toThrow(/namespace/);
    expect(() => readPod({ ...wire, namespace: 'shop' })).toThrow(/name/);
  });

  it('a node with routes; IPv6 is set aside', () => {
    const read = readObject(
      node({ serviceCidrs: ['10.96.0.0/16', '10.96.0.0/16', 'fd00::/108'], routes: [route] }),
    );
    expect(read).toMatchObject({
      serviceCidrs: [{ address: 0x0a600000, length: 16 }],
      routes: [
        { cidr: { address: 0x0af50000, length: 16 }, interfaceName: 'up0', nextHopMac: 0x020000000002 },
      ],
      unsupportedAddresses: ['fd00::/108'],
    });
  });

  it('a node with its addresses, and sources on the way to others', () => {
    const out = { ...route, cidr: '0.0.0.0/0', sourceAddress: '192.0.2.1', masquerade: true };
    const read = readObject(node({ addresses: ['192.0.2.1', 'fd00::1', '192.0.2.1'], routes: [route, out] }));
    expect(read).toMatchObject({
      addresses: [0xc000_0201],
      routes: [{}, { source: 0xc000_0201, masquerade: true }],
      unsupportedAddresses: ['fd00::1'],
    });
    expect(() => readObject(node({ routes: [{ ...out, sourceAddress: '' }] }))).toThrow(/source_address/);
    expect(() => readObject(node({ routes: [{ ...out, sourceAddress: 'x' }] }))).toThrow(/source_address/);
  });

  it('a node with an uplink', () => {
    expect(readObject(node({ uplinkInterface: 'up0' }))).toMatchObject({ uplinkInterface: 'up0' });
    expect(() => readObject(node({ uplinkInterface: '' }))).toThrow(/uplink_interface is ""/);
  });

  it.each<[string, WantedObject, RegExp]>([
    [
      'an attachment without interface',
      podObject(1, { attachmentId: 'c1' }),
      /^attachment_id: pod c1: attachment_id is "c1"; expected/,
    ],
    [
      'a pod of two addresses',
      podObject(1, { addresses: ['10.0.0.1', '10.0.0.2'] }),
      /^addresses: .*exactly one/,
    ],
    ['a pod without address', podObject(1, { addresses: [] }), /^addresses: /],
    [
      'a pod with a prefix length',
      podObject(1, { addresses: ['10.0.0.1/32'] }),
      /^addresses\[0\]: .*without prefix length/,
    ],
    ['a pod with IPv6', podObject(1, { addresses: ['fd00::1'] }), /^addresses\[0\]: /],
    [
      'a pod with the address of the gateway',
      podObject(1, { addresses: ['169.254.1.1'] }),
      /gateway of all pods/,
    ],
    ['a multicast MAC', podObject(1, { mac: '01:00:00:00:00:01' }), /^mac: .*unicast MAC/],
    ['an interface of gNMI syntax', podObject(1, { interfaceName: 'a[b=c]' }), /^interface_name: /],
    ['a pod without name', podObject(1, { name: '' }), /^name: .*Kubernetes name/],
    ['a name of control characters', podObject(1, { namespace: 'a\nb' }), /^namespace: .*"a\\nb"/],
    ['port 0', service('s', ['10.0.0.1:0'], []), /^frontends\[0\]\.port: .*1 to 65535/],
    ['port 65536', service('s', ['10.0.0.1:80'], ['10.0.0.2:65536']), /^endpoints\[0\]\.port/],
    ['a huge weight', service('s', ['10.0.0.1:80'], ['10.0.0.2:80*4294967295']), /^endpoints\[0\]\.weight/],
    ['a loopback endpoint', service('s', ['10.0.0.1:80'], ['127.0.0.1:80']), /^endpoints\[0\]\.address/],
    [
      'no protocol',
      service('s', [], [], { protocol: Protocol.PROTOCOL_UNSPECIFIED }),
      /^protocol: service default\/s:\/0: protocol is "0"/,
    ],
    [
      'affinity of 0 s',
      service('s', [], [], { sessionAffinity: { timeoutSeconds: 0 } }),
      /^session_affinity\.timeout_seconds/,
    ],
    [
      'affinity of 2 days',
      service('s', [], [], { sessionAffinity: { timeoutSeconds: 172_800 } }),
      /1 to 86400/,
    ],
    ['host bits', node({ serviceCidrs: ['10.96.0.1/16'] }), /^service_cidrs\[0\]: .*without host bits/],
    ['a host without MAC', node({ hostInterface: { ...host, mac: '' } }), /^host_interface\.mac/],
    [
      'a route without next hop',
      node({ routes: [{ ...route, nextHopMac: '' }] }),
      /^routes\[0\]\.next_hop_mac/,
    ],
    ['two routes of one range', node({ routes: [route, route] }), /^routes\[1\]\.cidr: .*no other route/],
    [
      'a route for the service range',
      node({ routes: [{ ...route, cidr: '10.96.0.0/16' }] }),
      /^routes\[0\]\.cidr: /,
    ],
    ['nothing', { object: undefined }, /no object/],
  ])('%s is refused with its place', (_, wire, message) => {
    expect(fault(wire)).toMatch(message);
  });

  it('errors do not repeat long values', () => {
    expect(fault(podObject(1, { mac: 'x'.repeat(10_000) })).length).toBeLessThan(300);
  });

  it('objects have a key however wrong they are', () => {
    expect(wireKey(service('', [], [], { namespace: '', protocol: Protocol.PROTOCOL_UNSPECIFIED }))).toBe(
      'service//:/0',
    );
    expect(wireKey({ object: { $case: 'pod', value: pod(1, { attachmentId: '' }) } })).toBe('pod/');
    expect(wireKey({ object: undefined })).toBeUndefined();
  });
});
