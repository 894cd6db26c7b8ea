import { faultTest, HOSTILE_PIECES, mutateText, mutateWire, Trial } from '@infra-offload/faults';
import { parsePath } from '@infra-offload/p4rt';
import { gnmi } from '@infra-offload/p4rt/proto';
import { describe } from 'vitest';
import { SoftswitchError } from '../errors.js';
import { MemoryPorts } from '../ports/memory.js';
import { applySet } from './set.js';
import { select } from './tree.js';

const isRefusal = (error: unknown) => SoftswitchError.is(error) && error.code !== 'INTERNAL';
const JSON_TEXT = '{"name":"tap1","config":{"mtu":1500,"port-type":"TAP","host-name":"h"}}';

describe('gNMI', () => {
  faultTest(
    {
      fault: 'gNMI Set and Get, damaged',
      promise: 'ports are made and told, or a status',
      sample: 600,
      unit: 'input',
    },
    ({ cases, random }) => {
      const trial = new Trial(isRefusal);
      for (let index = 0; index < cases; index++) {
        const ports = new MemoryPorts(2);
        const json = Buffer.from(random.chance(50) ? JSON_TEXT : mutateText(random, JSON_TEXT));
        const path = parsePath(`interfaces/virtual-interface[name=${random.chance(80) ? 'tap1' : 'x'}]`);
        const leaf = { ...path, elem: [...path.elem, { name: random.pick(HOSTILE_PIECES), key: {} }] };
        const request = gnmi.SetRequest.encode(
          gnmi.SetRequest.fromPartial({
            delete: random.chance(20) ? [path] : [],
            update: [
              { path, val: { value: { $case: 'jsonIetfVal', value: json } } },
              ...(random.chance(20)
                ? [{ path: leaf, val: { value: { $case: 'intVal' as const, value: 1n } } }]
                : []),
            ],
          }),
        ).finish();
        const damaged = decoded(random.chance(30) ? request : mutateWire(random, request));
        if (damaged === undefined) continue;
        trial.try(damaged, (one) => applySet(ports, new Map(), one));
        for (const one of damaged.update)
          if (one.path !== undefined) trial.try(one.path, (at) => select(ports, at));
      }
      return trial.measured;
    },
  );
});

/** As grpc-js hands it over; what is no message at all becomes a status there. */
function decoded(bytes: Uint8Array): gnmi.SetRequest | undefined {
  try {
    return gnmi.SetRequest.decode(bytes);
  } catch {
    return undefined;
  }
}
