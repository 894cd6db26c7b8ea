import { Random } from '@infra-offload/faults';
import { networkPolicyVerdict, parseObject, type WatchedObject } from '@infra-offload/k8s-watch';
import { PROTOCOL_NUMBERS } from '@infra-offload/net';
import { expect, it } from 'vitest';
import { laneObjects } from './pipeline/objects.js';
import { isAllowed } from './policies.js';
import { type Actor, POD_NAMES, type PodName, type Scenario } from './scenario.js';
import { randomScenario } from './scenarios/generate.js';
import { addressesOf, PROTOCOLS, SERVED } from './world.js';

const { outside, far } = addressesOf(0);
const PODS = new Map<PodName, string>(POD_NAMES.map((name, index) => [name, `10.244.0.${10 + index}`]));

it('means what the NetworkPolicies mean that are made of it', () => {
  const random = new Random(3);
  const answers = new Set<boolean>();
  for (let run = 0; run < 60; run++) {
    for (const policies of policiesOf(randomScenario(random, ''))) {
      const objects = laneObjects({
        lane: 0,
        addresses: addressesOf(0),
        pods: PODS,
        service: {
          endpoints: [],
          externalTrafficPolicy: 'Cluster',
          internalTrafficPolicy: 'Cluster',
          sources: [],
          masqueradesAll: false,
        },
        policies,
        revision: 1,
      }).map(parsed);
      const ofKind = <Kind extends WatchedObject['kind']>(kind: Kind) =>
        objects.filter((object): object is Extract<WatchedObject, { kind: Kind }> => object.kind === kind);
      const world = {
        policies: ofKind('NetworkPolicy'),
        pods: ofKind('Pod'),
        namespaces: ofKind('Namespace'),
        nodes: [],
      };
      const peers = new Map<Actor, string>([...PODS, ['outside', outside.address], ['far', far.address]]);
      for (const [from, source] of peers)
        for (const [to, destination] of peers)
          for (const protocol of PROTOCOLS) {
            const connection = {
              source,
              destination,
              protocol: PROTOCOL_NUMBERS[protocol.toUpperCase() as 'TCP' | 'UDP' | 'SCTP'],
              port: SERVED[protocol],
            };
            const { allowed } = networkPolicyVerdict(world, connection);
            answers.add(allowed);
            expect(isAllowed(policies, from, to, protocol)).toBe(allowed);
          }
    }
  }
  expect(answers.size).toBe(2);
});

function policiesOf({ steps }: Scenario) {
  return steps.flatMap((step) => (step.do === 'policies' ? [step.policies] : []));
}

function parsed(object: object): WatchedObject {
  const read = parseObject(object);
  if (read.result === 'object') return read.object;
  throw new Error(`not an object that is watched: ${JSON.stringify(read)}`);
}
