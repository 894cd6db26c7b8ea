import { typedError } from '@infra-offload/base';

/**
 * - `FRAME_TOO_LARGE`: a frame is longer than the limit; what follows it cannot be found any more.
 * - `TRUNCATED_FRAME`: the stream ended within a frame.
 * - `MALFORMED_MESSAGE`: bytes that are no protobuf message of the expected kind, or one without what identifies it.
 * - `WRONG_DIALECT`: a message of another Calico version than was asked for.
 */
export type FelixErrorCode = 'FRAME_TOO_LARGE' | 'TRUNCATED_FRAME' | 'MALFORMED_MESSAGE' | 'WRONG_DIALECT';

/** The one error class of this package: always the other side's mistake. */
export class FelixError extends typedError<FelixErrorCode>('FelixError') {}
