import { typedError } from '@infra-offload/base';

/**
 * What went wrong, stable over versions:
 *
 * | code | meaning |
 * |---|---|
 * | `SYNTAX` | the text is not protobuf text format |
 * | `FIELD` | a field of the text has a value of the wrong type or out of range, or is given twice |
 * | `ENCODING` | the input is not UTF-8 text |
 * | `CORRUPT` | the binary input is truncated or not a P4Info |
 * | `EMPTY` | the input holds no P4Info at all |
 * | `INVALID` | the P4Info contradicts itself (duplicate id, reference to nothing) |
 * | `NOT_FOUND` | no object of that name or id; `details.suggestions` has the nearest names |
 * | `AMBIGUOUS` | several objects answer to the name; `details.candidates` lists them |
 * | `VALUE_TYPE` | a value of a form that the field cannot have (an IPv4 address for 16 bits), or a P4Info that is neither text nor bytes |
 * | `VALUE_SYNTAX` | a malformed value (`'10.1'`, `''`, `1.5`) |
 * | `VALUE_RANGE` | a value that does not fit its bit width |
 * | `CODEGEN` | the generator was given a name it cannot use |
 */
export type P4InfoErrorCode =
  | 'SYNTAX'
  | 'FIELD'
  | 'ENCODING'
  | 'CORRUPT'
  | 'EMPTY'
  | 'INVALID'
  | 'NOT_FOUND'
  | 'AMBIGUOUS'
  | 'VALUE_TYPE'
  | 'VALUE_SYNTAX'
  | 'VALUE_RANGE'
  | 'CODEGEN';

/** Facts about an error; which are there depends on its code. */
export interface P4InfoErrorDetails {
  /** 1-based line and column (in UTF-16 units) of the offending token, for text input. */
  readonly line?: number;
  readonly column?: number;
  /** The offending token as it stands in the text. */
  readonly token?: string;
  /** Offset of the offending byte, for binary input. */
  readonly offset?: number;
  /** Path of the offending field, such as `tables[3].preamble.name`. */
  readonly path?: string;
  /** Full names of the objects that an ambiguous name may mean. */
  readonly candidates?: readonly string[];
  /** The nearest valid names. */
  readonly suggestions?: readonly string[];
  /** Width of the field that a value was meant for. */
  readonly bitwidth?: number;
}

/** The one error of this package. */
export class P4InfoError extends typedError<P4InfoErrorCode, P4InfoErrorDetails>('P4InfoError') {}

/** Something odd in a P4Info that does not keep it from being used. */
export interface P4InfoWarning {
  readonly message: string;
  /** 1-based place in the text, where there is one. */
  readonly line?: number;
  readonly column?: number;
}
