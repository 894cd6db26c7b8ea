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
    super(`${formatPlace(where.file, where.position)}${reason}`, options);
    this.code = code;
    this.reason = reason;
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

function formatPlace(file: string | undefined, position: Position | undefined): string {
  const place = position === undefined ? [] : [position.line, position.column];
  const parts = [...(file === undefined ? [] : [file]), ...place];
  return parts.length === 0 ? '' : `${parts.join(':')}: `;
}
