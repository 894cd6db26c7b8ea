/**
 * Felix's external dataplane: framing and messages of every version of Calico, and a model of what they mean for pods.
 *
 * @packageDocumentation
 */

export { FelixError, type FelixErrorCode } from './errors.js';
export { fromWire } from './from-wire.js';
export type {
  FelixMessage,
  IpSetKind,
  Policy,
  PolicyId,
  ReceivedRule,
  Tier,
  WorkloadEndpoint,
  WorkloadEndpointId,
} from './messages.js';
export { closedIsolation } from './model/isolation.js';
export type { PodName } from './model/names.js';
export { FelixState, type KnownEndpoint } from './model/state.js';
export type { FelixChange } from './model/wire-object.js';
export {
  decodeToDataplane,
  encodeFromDataplane,
  type FromDataplane,
  type ToDataplane,
} from './wire/envelope.js';
export { DEFAULT_MAX_FRAME_BYTES, encodeFrame, FrameDecoder } from './wire/framing.js';
export type { Dialect } from './wire/policy-messages.js';
