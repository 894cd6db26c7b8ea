/** Facts about an error, by name. */
export type Facts = Readonly<Record<string, unknown>>;

export interface TypedErrorOptions<Details> {
  readonly details?: Details | undefined;
  /** What led to the error. Absent and undefined mean the same. */
  readonly cause?: unknown;
}

/** An error that programs can branch on: `code` is stable, `details` has as data what `message` says in words. */
export interface TypedError<Code extends string | number, Details> extends Error {
  readonly code: Code;
  readonly details: Details;
}

/** What {@link typedError} makes: to be extended by the one error class of a package. */
export interface TypedErrorClass<Code extends string | number, Details> {
  new (code: Code, message: string, options?: TypedErrorOptions<Details>): TypedError<Code, Details>;
  readonly prototype: TypedError<Code, Details>;
  /**
   * Whether `error` is one of this class, with one of `codes` if any are given. It goes by name, so that errors of another
   * copy of the package are recognised too.
   */
  is<E>(this: { readonly prototype: E }, error: unknown, ...codes: readonly Code[]): error is E;
}

/**
 * A base for the error class of a package.
 *
 * @param name of the class, by which its errors are recognised, also after minification
 * @param none what `details` are if none are given; default `{}`
 * @example
 * export class PoolError extends typedError<'FULL' | 'CLOSED'>('PoolError') {}
 * throw new PoolError('FULL', 'the pool has no room', { details: { size: 8 }, cause });
 */
export function typedError<Code extends string | number, Details = Facts>(
  name: string,
  ...none: Record<never, never> extends Details ? [] : [none: Details]
): TypedErrorClass<Code, Details>;
export function typedError(
  name: string,
  ...given: readonly unknown[]
): TypedErrorClass<string | number, unknown> {
  const [none] = given.length === 0 ? [{}] : given;
  class NamedError extends Error implements TypedError<string | number, unknown> {
    override readonly name = name;
    readonly details: unknown;

    constructor(
      readonly code: string | number,
      message: string,
      { details = none, cause }: TypedErrorOptions<unknown> = {},
    ) {
      super(message, cause === undefined ? undefined : { cause });
      this.details = details;
    }

    static is<E>(this: { readonly prototype: E }, error: unknown, ...codes: readonly unknown[]): error is E {
      return (
        error instanceof Error &&
        error.name === name &&
        'code' in error &&
        (codes.length === 0 || codes.includes(error.code))
      );
    }
  }
  return NamedError;
}
