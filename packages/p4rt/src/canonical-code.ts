const NAMES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

/** Names of the canonical codes of gRPC and `google.rpc.Code`. */
export type CanonicalCode = (typeof NAMES)[number];

/** The name of an error's canonical code; codes that do not exist, and OK where an error is due, are `UNKNOWN`. */
export function canonicalCodeName(code: number): Exclude<CanonicalCode, 'OK'> {
  const name = NAMES[code];
  return name === undefined || name === 'OK' ? 'UNKNOWN' : name;
}

/** The number of a canonical code. */
export function canonicalCode(name: CanonicalCode): number {
  return NAMES.indexOf(name);
}
