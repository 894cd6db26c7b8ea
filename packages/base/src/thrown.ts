/** The message of anything thrown, on one line. */
export function messageOf(thrown: unknown): string {
  // What connecting to several addresses fails with: only its parts say why.
  if (thrown instanceof AggregateError && thrown.message === '')
    return thrown.errors.map(messageOf).join('; ');
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return text.trim().replaceAll(/\s*\n\s*/g, ' ');
}

/** Whether it is an error of the operating system with one of `codes`, such as ENOENT. */
export function isSystemError(thrown: unknown, ...codes: readonly string[]): thrown is NodeJS.ErrnoException {
  return thrown instanceof Error && 'code' in thrown && codes.some((code) => code === thrown.code);
}
