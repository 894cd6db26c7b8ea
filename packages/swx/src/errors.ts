import { didYouMean, nearestNames, typedError } from '@infra-offload/base';

/** What went wrong, in a form programs can branch on. */
export type SwxErrorCode =
  /** The text of a spec is not well formed. */
  | 'SYNTAX'
  /** The spec is well formed but means nothing (wrong width, missing `rx`, …). */
  | 'SEMANTIC'
  /** A name (field, header, action, table, label, …) does not exist. */
  | 'NOT_FOUND'
  /** A value handed to the control interface has the wrong type or does not fit. */
  | 'INVALID_VALUE'
  /** No room is left in a table or a selector group. */
  | 'TABLE_FULL'
  /** The spec asks for something this engine does not have (an extern, for instance). */
  | 'UNSUPPORTED';

/** Where and what: everything that the message says, as data. */
export interface SwxErrorDetails {
  readonly file?: string;
  /** 1-based line of the spec. */
  readonly line?: number;
  /** The token or name that was refused. */
  readonly token?: string;
  readonly expected?: string;
  /** Valid choices for an unknown name, most similar first. */
  readonly candidates?: readonly string[];
  /** The table, selector, register array, … concerned. */
  readonly object?: string;
}

/** The one error class of this package. */
export class SwxError extends typedError<SwxErrorCode, SwxErrorDetails>('SwxError') {}

/** The error for an unknown name, with those that may have been meant, or else the valid ones. */
export function unknownName(
  kind: string,
  name: string,
  valid: Iterable<string>,
  details: SwxErrorDetails = {},
  prefix = '',
): SwxError {
  const names = [...valid];
  const candidates = [...new Set([...nearestNames(name, names), ...names])];
  return new SwxError('NOT_FOUND', `${prefix}no ${kind} '${name}'; ${didYouMean(name, names)}`, {
    details: { ...details, token: name, candidates },
  });
}
