import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { messageOf } from '@infra-offload/base';
import { felix } from '@infra-offload/infra-api';
import { FelixError } from '../errors.js';
import { fromWire } from '../from-wire.js';
import type { FelixMessage, WorkloadEndpointId } from '../messages.js';
import { visitFields } from './fields.js';
import {
  type Dialect,
  decodePolicy,
  decodePolicyId,
  decodeProfile,
  decodeWorkloadEndpoint,
} from './policy-messages.js';

/** Payloads that carry nothing for policies, by their number in `ToDataplane`; those above 29 are of newer versions. */
const UNUSED_PAYLOADS: Readonly<Record<number, string>> = {
  16: 'ipam_pool_update',
  17: 'ipam_pool_remove',
  19: 'service_account_update',
  20: 'service_account_remove',
  21: 'namespace_update',
  22: 'namespace_remove',
  23: 'route_update',
  24: 'route_remove',
  25: 'vtep_update',
  26: 'vtep_remove',
  27: 'wireguard_endpoint_update',
  28: 'wireguard_endpoint_remove',
  29: 'global_bgp_config_update',
  30: 'encapsulation',
  31: 'service_update',
  32: 'service_remove',
  33: 'wireguard_endpoint_v6_update',
  34: 'wireguard_endpoint_v6_remove',
};

const SEQUENCE_NUMBER_FIELD = 15;

/** What Felix has sent. */
export interface ToDataplane {
  readonly sequenceNumber: bigint;
  readonly message: FelixMessage;
}

/**
 * Decodes a `felix.ToDataplane` of any version. What is not known is a message of type `unknown`, not an error.
 *
 * @throws FelixError MALFORMED_MESSAGE; WRONG_DIALECT if a `dialect` other than `auto` was asked for and this is another.
 */
export function decodeToDataplane(bytes: Uint8Array, dialect: Dialect = 'auto'): ToDataplane {
  let sequenceNumber = 0n;
  let payload: { readonly field: number; readonly bytes: Uint8Array } | undefined;
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === SEQUENCE_NUMBER_FIELD && wireType === WireType.Varint) {
        sequenceNumber = BigInt(reader.uint64());
      } else if (wireType === WireType.LengthDelimited) {
        payload = { field, bytes: reader.bytes() };
      } else {
        reader.skip(wireType, field);
      }
    }
    const message: FelixMessage =
      payload === undefined
        ? { type: 'unknown', field: 0 }
        : decodePayload(payload.field, payload.bytes, dialect);
    return { sequenceNumber, message };
  } catch (cause) {
    if (FelixError.is(cause)) throw cause;
    const reason = messageOf(cause);
    const what = payload === undefined ? 'the envelope' : `payload ${payload.field} of the envelope`;
    throw new FelixError('MALFORMED_MESSAGE', `${what} cannot be decoded: ${reason}`, {
      details: { field: payload?.field, sequenceNumber },
      cause,
    });
  }
}

function decodePayload(field: number, bytes: Uint8Array, dialect: Dialect): FelixMessage {
  switch (field) {
    case 1:
      return { type: 'inSync' };
    case 2:
      return fromWire.ipSetUpdate(felix.IPSetUpdate.decode(bytes));
    case 3:
      return fromWire.ipSetDelta(felix.IPSetDeltaUpdate.decode(bytes));
    case 4:
      return fromWire.ipSetRemove(felix.IPSetRemove.decode(bytes));
    case 5: {
      const [id, profile] = parts(bytes, 1, 2);
      return { type: 'profileUpdate', name: profileName(id), policy: decodeProfile(profile) };
    }
    case 6:
      return { type: 'profileRemove', name: profileName(parts(bytes, 1, 2)[0]) };
    case 7: {
      const [id, policy] = parts(bytes, 1, 2);
      return { type: 'policyUpdate', id: policyId(id, dialect), policy: decodePolicy(policy) };
    }
    case 8:
      return { type: 'policyRemove', id: policyId(parts(bytes, 1, 2)[0], dialect) };
    case 9: {
      const [id, endpoint] = parts(bytes, 1, 3);
      return { type: 'hostEndpointUpdate', id: hostEndpointId(id), ...describeHostEndpoint(endpoint) };
    }
    case 10:
      return { type: 'hostEndpointRemove', id: hostEndpointId(parts(bytes, 1, 3)[0]) };
    case 11: {
      const [id, endpoint] = parts(bytes, 1, 5);
      return {
        type: 'workloadEndpointUpdate',
        id: endpointId(id),
        endpoint: decodeWorkloadEndpoint(endpoint, dialect),
      };
    }
    case 12:
      return { type: 'workloadEndpointRemove', id: endpointId(parts(bytes, 1, 5)[0]) };
    case 13:
      return { type: 'config', config: felix.ConfigUpdate.decode(bytes).config };
    case 14:
      return fromWire.hostMetadataUpdate(felix.HostMetadataUpdate.decode(bytes));
    case 18:
      return fromWire.hostMetadataRemove(felix.HostMetadataRemove.decode(bytes));
    default: {
      const name = UNUSED_PAYLOADS[field];
      return name === undefined ? { type: 'unknown', field } : { type: 'unused', name };
    }
  }
}

/** The two messages that an update consists of: what it is about, and what is said of it. */
function parts(bytes: Uint8Array, first: number, second: number): [Uint8Array, Uint8Array] {
  const found: [Uint8Array, Uint8Array] = [new Uint8Array(), new Uint8Array()];
  visitFields(bytes, (field, reader) => {
    if (field === first) found[0] = reader.bytes();
    else if (field === second) found[1] = reader.bytes();
    else return false;
    return true;
  });
  return found;
}

function policyId(bytes: Uint8Array, dialect: Dialect) {
  const id = decodePolicyId(bytes, dialect);
  fromWire.requireId('policy', id.name);
  return id;
}

function profileName(bytes: Uint8Array): string {
  return fromWire.requireId('profile', felix.ProfileID.decode(bytes).name);
}

function hostEndpointId(bytes: Uint8Array): string {
  return fromWire.requireId('host endpoint', felix.HostEndpointID.decode(bytes).endpointId);
}

function endpointId(bytes: Uint8Array): WorkloadEndpointId {
  return fromWire.workloadEndpointId(felix.WorkloadEndpointID.decode(bytes));
}

/** A `HostEndpoint`: name 1; policies are in profiles 2 and tiers 3, 6, 7 and 8. */
function describeHostEndpoint(bytes: Uint8Array): { readonly name: string; readonly hasPolicy: boolean } {
  let name = '';
  let hasPolicy = false;
  visitFields(bytes, (field, reader) => {
    if ([2, 3, 6, 7, 8].includes(field)) hasPolicy = true;
    if (field !== 1) return false;
    name = reader.string();
    return true;
  });
  return { name, hasPolicy };
}

/** What a dataplane tells Felix. */
export type FromDataplane =
  /** That it lives; `uptime` in seconds. */
  | { readonly type: 'processStatus'; readonly time: Date; readonly uptime: number }
  | {
      readonly type: 'workloadEndpointStatus';
      readonly id: WorkloadEndpointId;
      readonly status: 'up' | 'down' | 'error';
    }
  | { readonly type: 'workloadEndpointStatusRemove'; readonly id: WorkloadEndpointId }
  /** That all which came before `inSync` is in force. For the dialect `policy-ids` only: older ones do not know it. */
  | { readonly type: 'inSync' };

/** Of `FromDataplane.dataplane_in_sync`, an empty message of newer versions. */
const IN_SYNC_FIELD = 10;

/** Encodes a `felix.FromDataplane`. */
export function encodeFromDataplane(message: FromDataplane, sequenceNumber: bigint): Uint8Array {
  if (message.type === 'inSync') {
    const writer = new BinaryWriter();
    if (sequenceNumber !== 0n) writer.tag(8, WireType.Varint).uint64(sequenceNumber);
    return writer.tag(IN_SYNC_FIELD, WireType.LengthDelimited).bytes(new Uint8Array()).finish();
  }
  return felix.FromDataplane.encode({ sequenceNumber, payload: payloadOf(message) }).finish();
}

function payloadOf(message: Exclude<FromDataplane, { type: 'inSync' }>): felix.FromDataplane['payload'] {
  switch (message.type) {
    case 'processStatus': {
      const isoTimestamp = message.time.toISOString();
      return { $case: 'processStatusUpdate', value: { isoTimestamp, uptime: message.uptime } };
    }
    case 'workloadEndpointStatus': {
      const { id, status } = message;
      return { $case: 'workloadEndpointStatusUpdate', value: { id: wireId(id), status: { status } } };
    }
    case 'workloadEndpointStatusRemove':
      return { $case: 'workloadEndpointStatusRemove', value: { id: wireId(message.id) } };
    default:
      return message satisfies never;
  }
}

function wireId({ orchestrator, workload, endpoint }: WorkloadEndpointId): felix.WorkloadEndpointID {
  return { orchestratorId: orchestrator, workloadId: workload, endpointId: endpoint };
}
