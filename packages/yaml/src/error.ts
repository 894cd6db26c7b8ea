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

/** The one error class of this package. */
export class YamlError extends Error {
  override readonly name = 'YamlError';
  readonly code: YamlErrorCode;
  /** The message without file and position. */
  readonly reason: string;
  readonly file: string | undefined;
  readonly position: Position | undefined;

  /** The message is `file:line:column: reason`, as far as these are known. */
  constructor(
    code: YamlErrorCode,
    reason: string,
    where: { readonly file?: string | undefined; readonly position?: Position | undefined } = {},
    options?: ErrorOptions,
  ) {
    const line = oneLine(reason);
    super(`${formatPlace(where.file, where.position)}${line}`, options);
    this.code = code;
    this.reason = line;
    this.file = where.file;
    this.position = where.position;
  }

  /** Recognises the error also when it comes from another copy of the package. */
  static is(error: unknown, ...codes: readonly YamlErrorCode[]): error is YamlError {
    return (
      error instanceof Error &&
      error.name === 'YamlError' &&
      'code' in error &&
      (codes.length === 0 || codes.some((code) => code === error.code))
    );
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

function formatPlace(file: string | undefined, position: Position | undefined): string {
  const place = position === undefined ? [] : [position.line, position.column];
  const parts = [...(file === undefined ? [] : [file]), ...place];
  return parts.length === 0 ? '' : `${parts.join(':')}: `;
}
