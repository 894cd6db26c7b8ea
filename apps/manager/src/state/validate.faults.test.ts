import { faultTest, mutateWire, Trial } from '@infra-offload/faults';
import { infra, PolicyAction, WantedObject } from '@infra-offload/infra-api';
import { ManagerError } from '../errors.js';
import { readHost, readNetwork, readRelease, readTranslation, readTranslationKey } from '../ipdk/read.js';
import { addRequest, network, translation } from '../ipdk/testing.js';
import { belongsToSync, objectKey } from '../model/objects.js';
import { node, podObject, service } from '../testing/agent.js';
import { readObject, wireKey } from './validate.js';

const isRefusal = (error: unknown) =>
  ManagerError.is(error) && error.message !== '' && !error.message.includes('\n');

const OBJECTS = [
  service('web', ['10.96.0.10:80'], ['10.244.1.1:80', '10.244.1.2:80*5'], {
    portName: 'http',
    sessionAffinity: { timeoutSeconds: 60 },
  }),
  podObject(1),
  node({
    hostInterface: { interfaceName: 'mem0', mac: '02:00:00:00:00:01', addresses: ['10.244.1.254'] },
    addresses: ['192.0.2.1'],
    routes: [
      {
        cidr: '10.245.0.0/16',
        interfaceName: 'up0',
        nextHopMac: '02:00:00:00:00:02',
        sourceMac: '02:00:00:00:00:03',
        sourceAddress: '10.244.1.0',
        masquerade: true,
      },
    ],
  }),
  WantedObject.fromPartial({
    object: {
      $case: 'addressSet',
      value: {
        name: 's',
        cidrs: ['10.0.0.0/8', '10.1.0.1'],
        addressPorts: [{ address: '10.0.0.1', protocol: 6, port: 80 }],
      },
    },
  }),
  WantedObject.fromPartial({
    object: {
      $case: 'networkPolicy',
      value: {
        name: 'p',
        ingress: [
          {
            action: PolicyAction.POLICY_ACTION_ALLOW,
            peers: [{ negated: true, cidrs: ['10.0.0.0/8'], addressSets: ['s'] }],
            ports: [{ match: { $case: 'range', value: { protocol: 6, first: 80, last: 90 } } }],
          },
        ],
        egress: [{ action: PolicyAction.POLICY_ACTION_PASS }],
      },
    },
  }),
  WantedObject.fromPartial({
    object: {
      $case: 'podIsolation',
      value: {
        namespace: 'ns',
        name: 'web',
        ingress: { tiers: [{ policies: ['p'], defaultAction: PolicyAction.POLICY_ACTION_DENY }] },
        egress: { tiers: [] },
      },
    },
  }),
].map((object) => WantedObject.encode(object).finish());

/** Bytes that are no message do not get past gRPC. */
function decoded<T>(decode: (bytes: Uint8Array) => T, bytes: Uint8Array): T | undefined {
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
}

faultTest(
  {
    fault: "an agent's wanted objects, damaged",
    promise: 'read, or refused with the object and its field',
    sample: 3_000,
    unit: 'input',
  },
  ({ cases, random }) => {
    const trial = new Trial(isRefusal);
    for (let left = cases; left > 0; left--) {
      const wire = decoded((bytes) => WantedObject.decode(bytes), mutateWire(random, random.pick(OBJECTS)));
      if (wire === undefined) continue;
      trial.try(wire, wireKey);
      trial.try(wire, (one) => {
        const object = readObject(one);
        return belongsToSync(objectKey(object));
      });
    }
    return trial.measured;
  },
);

faultTest(
  {
    fault: "calls of IPDK's agents, damaged",
    promise: 'read, or refused with the field',
    sample: 3_000,
    unit: 'input',
  },
  ({ cases, random }) => {
    const trial = new Trial(isRefusal);
    const created = infra.CreateNetworkRequest.encode(network(1, { addRequest: addRequest(1) })).finish();
    const deleted = infra.DeleteNetworkRequest.encode(
      infra.DeleteNetworkRequest.fromPartial({
        delRequest: { netns: '/run/netns/a', interfaceName: 'eth0' },
        ipv4Addr: '10.244.1.1',
      }),
    ).finish();
    const host = infra.SetupHostInterfaceRequest.encode({
      ifName: 'mem0',
      ipv4Addr: '200.1.1.2/32',
      macAddr: '02:00:00:00:00:01',
    }).finish();
    const nat = infra.NatTranslation.encode(translation('10.96.0.10:80', ['10.244.1.1:80'])).finish();
    for (let left = cases; left > 0; left--) {
      switch (random.below(4)) {
        case 0:
          trial.try(
            decoded((bytes) => infra.CreateNetworkRequest.decode(bytes), mutateWire(random, created)),
            (wire) => wire && readNetwork(wire),
          );
          break;
        case 1:
          trial.try(
            decoded((bytes) => infra.DeleteNetworkRequest.decode(bytes), mutateWire(random, deleted)),
            (wire) => wire && readRelease(wire),
          );
          break;
        case 2:
          trial.try(
            decoded((bytes) => infra.SetupHostInterfaceRequest.decode(bytes), mutateWire(random, host)),
            (wire) => wire && readHost(wire),
          );
          break;
        default: {
          const wire = decoded((bytes) => infra.NatTranslation.decode(bytes), mutateWire(random, nat));
          trial.try(wire, (one) => one && readTranslation(one));
          trial.try(wire, (one) => one && readTranslationKey(one));
        }
      }
    }
    return trial.measured;
  },
);
