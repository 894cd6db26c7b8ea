import { type TypedErrorOptions, typedError } from '@infra-offload/base';

/** What is wrong with a text. */
export type YamlErrorCode =
  /** It cannot be read: the file is not there, is a directory, is not accessible. */
  | 'UNREADABLE'
  /** It is not UTF-8. */
  | 'ENCODING'
  /** It is neither YAML nor JSON. */
  | 'SYNTAX'
  /** It is too large, too deep or unfolds to too much. */
  | 'LIMIT'
  /** It is well formed, but not what is asked for: a value out of place or of the wrong type. */
  | 'INVALID';

/** A place in a text. */
export interface Position {
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 code units. */
  readonly column: number;
}

/** Where it is wrong, as far as that is known. */
export interface YamlErrorDetails {
  readonly file?: string | undefined;
  readonly position?: Position | undefined;
}

/** The one error class of this package. */
export class YamlError extends typedError<YamlErrorCode, YamlErrorDetails>('YamlError') {
  /** The message without file and position. */
  readonly reason: string;

  /** The message is `file:line:column: reason`, as far as these are known. */
  constructor(code: YamlErrorCode, reason: string, options: TypedErrorOptions<YamlErrorDetails> = {}) {
    const line = oneLine(reason);
    super(code, `${formatPlace(options.details)}${line}`, options);
    this.reason = line;
  }
}

/** Longer messages are cut. */
const LONGEST = 500;

/** A message that may quote anything, such that it is one line of bounded length and does nothing to a terminal. */
export function oneLine(message: string): string {
  const cut = message.length > LONGEST ? `${message.slice(0, LONGEST)}…` : message;
  return cut.replaceAll(
    /[\p{Cc}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function formatPlace({ file, position }: YamlErrorDetails = {}): string {
  const place = position === undefined ? [] : [position.line, position.column];
  const parts = [...(file === undefined ? [] : [file]), ...place];
  return parts.length === 0 ? '' : `${parts.join(':')}: `;
}
