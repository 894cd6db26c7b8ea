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
export class SwxError extends Error {
  override readonly name = 'SwxError';

  constructor(
    readonly code: SwxErrorCode,
    message: string,
    readonly details: SwxErrorDetails = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** Recognises a SwxError also when it comes from another copy of this package. */
  static is(error: unknown): error is SwxError {
    return error instanceof Error && error.name === 'SwxError' && 'code' in error && 'details' in error;
  }
}

const MAX_CANDIDATES = 5;

/** The error for an unknown name, with the one that was meant, if that is plain, or else the most similar valid ones. */
export function unknownName(
  kind: string,
  name: string,
  valid: Iterable<string>,
  details: SwxErrorDetails = {},
  prefix = '',
): SwxError {
  const ranked = [...valid]
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .sort((a, b) => a.distance - b.distance || a.candidate.localeCompare(b.candidate));
  const candidates = ranked.map(({ candidate }) => candidate);
  const shown = candidates.slice(0, MAX_CANDIDATES).map((candidate) => `'${candidate}'`);
  const more = candidates.length > MAX_CANDIDATES ? `, … (${candidates.length} in all)` : '';
  const meant = ranked[0] !== undefined && ranked[0].distance <= typosIn(name) ? shown[0] : undefined;
  const list = shown.length === 0 ? `there is no ${kind} at all` : `valid: ${shown.join(', ')}${more}`;
  const hint = meant === undefined ? list : `did you mean ${meant}?`;
  return new SwxError('NOT_FOUND', `${prefix}no ${kind} '${name}'; ${hint}`, {
    ...details,
    token: name,
    candidates,
  });
}

/** Slips that a name of this length may have and still be recognised. */
function typosIn({ length }: string): number {
  return length < 3 ? 0 : length < 6 ? 1 : 2;
}

/** Names are at most 63 characters long; what is much longer is like none of them. */
const LONGEST_COMPARED = 200;

function editDistance(a: string, b: string): number {
  if (Math.max(a.length, b.length) > LONGEST_COMPARED) return Number.POSITIVE_INFINITY;
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(substitution, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
