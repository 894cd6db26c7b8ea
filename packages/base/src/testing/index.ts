/** An error class as `typedError` makes them. */
interface ErrorClass<E extends Error> {
  readonly prototype: E;
  is(error: unknown): error is NoInfer<E>;
}

/** What `action` throws, which has to be an error of this class. */
export function thrown<E extends Error>(type: ErrorClass<E>, action: () => unknown): E {
  try {
    action();
  } catch (error) {
    if (type.is(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
