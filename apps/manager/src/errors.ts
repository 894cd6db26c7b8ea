import { typedError } from '@infra-offload/base';

/** What went wrong, stable across versions. */
export type ManagerErrorCode =
  /** A value of an object breaks a rule; `details.object` and `details.field` tell where. */
  | 'INVALID_OBJECT'
  /** The agent broke the Sync protocol; the stream ends. */
  | 'PROTOCOL'
  /** Another object holds what this one claims. */
  | 'CONFLICT'
  /** Something named does not exist: an interface of the target, a table. */
  | 'NOT_FOUND'
  /** A table of the target, or a range of ids, is full. */
  | 'EXHAUSTED'
  /** The target is not connected, this manager is not its primary, or it was lost meanwhile. */
  | 'TARGET_UNAVAILABLE'
  /** The target refused an entry for another reason. */
  | 'REJECTED'
  /** The target, or its pipeline, cannot do this. */
  | 'UNSUPPORTED'
  /** The state directory cannot be used. */
  | 'STORE'
  /** The caller's deadline passed, or the manager is stopping. */
  | 'CANCELLED';

/** The one error class of the manager. Recognise it with {@link ManagerError.is}. */
export class ManagerError extends typedError<ManagerErrorCode, Readonly<Record<string, string | number>>>(
  'ManagerError',
) {}

/** For the end of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new Error(`unexpected value ${JSON.stringify(value)}`);
}
