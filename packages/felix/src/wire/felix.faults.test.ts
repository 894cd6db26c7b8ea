import { faultTest, mutateBytes, mutateWire, Trial } from '@infra-offload/faults';
import { felix } from '@infra-offload/infra-api';
import { expect } from 'vitest';
import { FelixError } from '../errors.js';
import { FelixState } from '../model/state.js';
import { envelope, message, newPolicyId } from '../testing/wire-messages.js';
import { decodeToDataplane } from './envelope.js';
import { encodeFrame, FrameDecoder } from './framing.js';

const endpointId = { orchestratorId: 'k8s', workloadId: 'ns/web', endpointId: 'eth0' };
const rule = felix.Rule.fromPartial({
  action: 'allow',
  protocol: { numberOrName: { $case: 'name', value: 'tcp' } },
  srcNet: ['10.0.0.0/8'],
  dstPorts: [{ first: 80, last: 90 }],
  srcIpSetIds: ['s:a'],
  notSrcIpSetIds: ['s:b'],
});
const rules = { inboundRules: [rule], outboundRules: [rule] };

/** Messages of both dialects, such that they depend on each other. */
const MESSAGES: readonly Uint8Array[] = [
  envelope(
    {
      $case: 'ipsetUpdate',
      value: felix.IPSetUpdate.fromPartial({ id: 's:a', members: ['10.0.0.1/32', '10.1.0.0/16'] }),
    },
    1n,
  ),
  envelope({
    $case: 'ipsetDeltaUpdate',
    value: felix.IPSetDeltaUpdate.fromPartial({
      id: 's:a',
      addedMembers: ['10.0.0.2/32'],
      removedMembers: ['10.0.0.1/32'],
    }),
  }),
  envelope({
    $case: 'activePolicyUpdate',
    value: { id: { tier: 'default', name: 'p' }, policy: felix.Policy.fromPartial(rules) },
  }),
  envelope({ $case: 'activeProfileUpdate', value: { id: { name: 'kns.ns' }, profile: rules } }),
  envelope({
    $case: 'workloadEndpointUpdate',
    value: {
      id: endpointId,
      endpoint: felix.WorkloadEndpoint.fromPartial({
        state: 'active',
        name: 'cali1',
        profileIds: ['kns.ns'],
        ipv4Nets: ['10.0.0.2/32'],
        tiers: [{ name: 'default', ingressPolicies: ['p'], egressPolicies: ['p'] }],
      }),
    },
  }),
  envelope({ $case: 'workloadEndpointRemove', value: { id: endpointId } }),
  envelope({ $case: 'hostMetadataUpdate', value: { hostname: 'n1', ipv4Addr: '192.0.2.1' } }),
  envelope({ $case: 'configUpdate', value: felix.ConfigUpdate.fromPartial({ config: { a: 'b' } }) }),
  envelope({ $case: 'inSync', value: {} }),
  // As Calico 3.32 names policies.
  message([
    7,
    message([1, newPolicyId({ name: 'q', namespace: 'ns', kind: 'NetworkPolicy' })], [2, message([3, 'ns'])]),
  ]),
];

faultTest(
  {
    fault: "Felix's messages, damaged",
    promise: 'decoded or refused with a reason; the state takes what is decoded',
    sample: 3_000,
    unit: 'input',
  },
  ({ cases, random }) => {
    const trial = new Trial((error) => FelixError.is(error));
    let state = new FelixState();
    for (let index = 0; index < cases; index++) {
      // Not for ever the same one, which would grow with the number of cases.
      if (index % 500 === 0) state = new FelixState();
      trial.try(mutateWire(random, random.pick(MESSAGES)), (bytes) => {
        state.apply(decodeToDataplane(bytes).message);
        if (index % 20 === 0) state.takeChanges();
      });
    }
    return trial.measured;
  },
);

faultTest(
  {
    fault: "Felix's frames, damaged and cut anywhere",
    promise: 'handed out or refused; no more memory than what has come',
    sample: 5_000,
    unit: 'input',
  },
  ({ cases, random }) => {
    const trial = new Trial((error) => FelixError.is(error));
    const stream = Buffer.concat(MESSAGES.map((bytes) => encodeFrame(bytes)));
    for (let left = cases; left > 0; left--) {
      trial.try(mutateBytes(random, stream), (bytes) => {
        const decoder = new FrameDecoder(100_000);
        let handedOut = 0;
        for (let at = 0; at < bytes.length; ) {
          const end = at + 1 + random.below(200);
          for (const frame of decoder.push(bytes.subarray(at, end))) handedOut += frame.length;
          at = end;
        }
        expect(handedOut).toBeLessThanOrEqual(bytes.length);
        decoder.end();
      });
    }
    return trial.measured;
  },
);
