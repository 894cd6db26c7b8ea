import type { BackoffOptions } from '@infra-offload/base';

/** How long things may take. The defaults are for real clusters; tests have less time. */
export interface ApiTiming {
  /** Until an answer begins. */
  readonly answerMs: number;
  /** Without any byte of a list. */
  readonly listSilenceMs: number;
  /** How long a watch lasts: this to twice this, by chance, so that the watches of all nodes do not end together. */
  readonly watchSeconds: number;
  /**
   * Without any byte of a watch, once the server has shown that it sends bookmarks, which come about once a minute. Of
   * others nothing is expected until the watch ends.
   */
  readonly watchSilenceMs: number;
  /** A watch that has lasted this long was a success: the next failure is a first one again. */
  readonly healthyMs: number;
  /** Until a server that does not have a kind is asked again: it may have been upgraded, or permissions given. */
  readonly absentMs: number;
  /**
   * A server that starts refuses everybody until it has read its own roles: so long, 401 and 403 are no missing permission,
   * and asked again as after any other failure.
   */
  readonly refusalMs: number;
  /** After a failure: the second wait is by chance up to `initialMs`, each further one up to twice as much. */
  readonly backoff: Pick<BackoffOptions, 'initialMs' | 'maxMs'>;
}

export const DEFAULT_TIMING: ApiTiming = {
  answerMs: 30_000,
  listSilenceMs: 30_000,
  watchSeconds: 300,
  watchSilenceMs: 150_000,
  healthyMs: 5_000,
  absentMs: 300_000,
  refusalMs: 10_000,
  backoff: { initialMs: 500, maxMs: 5_000 },
};
