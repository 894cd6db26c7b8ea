import { typedError } from '@infra-offload/base';

/**
 * - `INVALID_ARGUMENT`: a size, range or time that makes no sense.
 * - `INVALID_ENDPOINT`: a port or weight out of range.
 * - `INVALID_STATE`: stored state that contradicts itself or the given limits.
 * - `NOT_IN_USE`: an id was released that nobody holds.
 */
export type LbModelErrorCode = 'INVALID_ARGUMENT' | 'INVALID_ENDPOINT' | 'INVALID_STATE' | 'NOT_IN_USE';

/** The one error class of this package: always a caller's mistake or foreign state, never a full pool or group. */
export class LbModelError extends typedError<LbModelErrorCode>('LbModelError') {}
