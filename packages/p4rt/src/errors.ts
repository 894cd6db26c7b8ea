import { typedError } from '@infra-offload/base';
import { type CanonicalCode, canonicalCodeName } from './canonical-code.js';
import type { Update } from './gen/p4/v1/p4runtime.js';

/** What went wrong outside of an RPC. RPC failures carry the gRPC code's name instead, see {@link CanonicalCode}. */
export type LocalErrorCode =
  /** A value, key, priority, weight or option breaks a rule of P4Runtime or of the P4 program. */
  | 'INVALID'
  /** The program has no object of this name or id. */
  | 'UNKNOWN_NAME'
  /** At least one update of a write failed, see {@link WriteFailure}. */
  | 'WRITE_FAILED'
  /** A gNMI path cannot be read, `details.position` tells where. */
  | 'PATH_SYNTAX'
  /** Bytes are not what they should be: a device config, a gNMI value, a message of the server. */
  | 'MALFORMED';

/** Every code a {@link P4rtError} can have. */
export type P4rtErrorCode = LocalErrorCode | Exclude<CanonicalCode, 'OK'>;

/** Details of an RPC failure. */
export interface RpcErrorDetails {
  /** Method without its service, such as `Write`. */
  readonly method: string;
  readonly address: string;
  /** gRPC status code, 1 to 16. */
  readonly grpcCode: number;
  /** What the server said, unchanged. */
  readonly serverMessage: string;
}

/** One update that failed, or whose result is not known. */
export interface WriteFailure {
  /** Index into the array given to `write()`. */
  readonly index: number;
  readonly update: Update;
  readonly code: Exclude<CanonicalCode, 'OK'>;
  readonly message: string;
  /** False when the update was never sent, because an earlier failure made that pointless. */
  readonly sent: boolean;
  /** The entry in words, by names if the session knows the program. */
  readonly entry: string;
  /** Target specific error space and code (P4Runtime 1.5, `p4.v1.Error`), when the server gave one. */
  readonly target?: { readonly space: string; readonly code: number };
}

/** Details of `WRITE_FAILED`. */
export interface WriteErrorDetails {
  /** In the order of `index`. */
  readonly failures: readonly WriteFailure[];
  /** How many updates were given. */
  readonly total: number;
  readonly address: string;
}

type DetailsByCode = {
  [C in P4rtErrorCode]: C extends 'WRITE_FAILED'
    ? WriteErrorDetails
    : C extends 'PATH_SYNTAX'
      ? { readonly path: string; readonly position: number }
      : C extends 'INVALID' | 'UNKNOWN_NAME'
        ? { readonly [name: string]: unknown }
        : C extends 'MALFORMED'
          ? { readonly offset?: number }
          : RpcErrorDetails;
};

const CodedError = typedError<P4rtErrorCode, DetailsByCode[P4rtErrorCode]>('P4rtError');
/** Without `is`, which here also tells the type of `details`. */
const Base: new (...args: ConstructorParameters<typeof CodedError>) => InstanceType<typeof CodedError> =
  CodedError;

/**
 * The one error class of this package. `code` is stable and decides the type of `details`; `cause` is kept.
 * Recognise it with {@link P4rtError.is}, which also works across copies of the package.
 */
export class P4rtError<C extends P4rtErrorCode = P4rtErrorCode> extends Base {
  declare readonly code: C;
  declare readonly details: DetailsByCode[C];

  constructor(
    code: C,
    message: string,
    options: { readonly details: DetailsByCode[C]; readonly cause?: unknown },
  ) {
    super(code, message, options);
  }

  /** Tells whether `error` is a P4rtError, with one of `codes` if any are given. */
  static is<C extends P4rtErrorCode = P4rtErrorCode>(
    error: unknown,
    ...codes: readonly C[]
  ): error is P4rtError<C> {
    return CodedError.is(error, ...codes);
  }
}

/** What `write()` throws when updates failed. */
export type WriteError = P4rtError<'WRITE_FAILED'>;

/** An INVALID error; `details` name the table, field and value that are at fault. */
export function invalid(
  message: string,
  details: Record<string, unknown> = {},
  cause?: unknown,
): P4rtError<'INVALID'> {
  return new P4rtError('INVALID', message, { details, cause });
}

/** A MALFORMED error of a message that has no bytes to point at. */
export function malformed(message: string, cause?: unknown): P4rtError<'MALFORMED'> {
  return new P4rtError('MALFORMED', message, { details: {}, cause });
}

/** Wraps a failed RPC. `message` is the server's own. */
export function rpcError(
  method: string,
  address: string,
  grpcCode: number,
  message: string,
  cause?: unknown,
): P4rtError {
  const code = canonicalCodeName(grpcCode);
  const details: RpcErrorDetails = { method, address, grpcCode, serverMessage: message };
  return new P4rtError(code, `${method} at ${address}: ${code}${message ? `: ${message}` : ''}`, {
    details,
    cause,
  });
}
