/**
 * A P4Runtime and gNMI client: typed table builders, sessions, device configs.
 * The wire messages themselves are under `@infra-offload/p4rt/proto`.
 */

export type { PortInput } from './bytes.js';
export type { CanonicalCode } from './canonical-code.js';
export {
  type DeviceConfig,
  type DeviceProfile,
  decodeDeviceConfig,
  encodeDeviceConfig,
} from './device-config.js';
export { entityEquals } from './entity-equals.js';
export { entityKey } from './entity-key.js';
export { entityOfKey } from './entity-of-key.js';
export {
  type LocalErrorCode,
  P4rtError,
  type P4rtErrorCode,
  type RpcErrorDetails,
  type WriteError,
  type WriteErrorDetails,
  type WriteFailure,
} from './errors.js';
export { formatEntity, formatUpdate, type ProgramLike } from './format.js';
export { formatEntry, formatTable } from './format-table.js';
export {
  GnmiClient,
  type GnmiEvent,
  type GnmiLeaf,
  type GnmiOptions,
  type GnmiSampling,
  type GnmiSet,
} from './gnmi/client.js';
export { formatPath, parsePath } from './gnmi/path.js';
export { decodeValue, encodeValue, type GnmiInput, type GnmiJson, type GnmiValue } from './gnmi/value.js';
export {
  createTapPort,
  type TapPort,
  tapPortUpdates,
  virtualPortNumber,
  virtualPortPath,
} from './gnmi/virtual-port.js';
export { descriptorOf } from './program-names.js';
export { type CloneSessionInput, cloneSession, multicastGroup, type ReplicaInput } from './replication.js';
export type { SessionEvents, SessionOptions, WriteOptions } from './session/options.js';
export type { PipelineAction, PipelineConfig, PipelineParts } from './session/pipeline.js';
export { P4RuntimeSession } from './session/session.js';
export type { ControllerRole, ReconnectOptions, SessionState } from './session/state.js';
export type {
  DecodedGroup,
  DecodedMember,
  RuntimeActionProfile,
  TypedActionProfile,
} from './typed/action-profile.js';
export type { Digest, DigestConfig, TypedPacketMetadata } from './typed/packets.js';
export { type TypedProgram, typedProgram } from './typed/program.js';
export type { Counter, Meter, Register, TypedValueSet } from './typed/resources.js';
export type { RuntimeTable } from './typed/table.js';
export type {
  ActionBuilder,
  BuiltAction,
  CounterValue,
  DecodedEntry,
  DecodedMatch,
  EntryAction,
  EntryOptions,
  GroupMember,
  IndirectAction,
  KeyOptions,
  LpmInput,
  Match,
  RangeInput,
  TernaryInput,
  TypedTable,
  Value,
  WeightedAction,
} from './typed/types.js';
export { insert, modify, remove } from './updates.js';
