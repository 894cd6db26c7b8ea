import { CniError, CniErrorCode } from './error.js';
import { excerpt } from './json.js';

/** What CNI_ARGS says, with the keys that Kubernetes runtimes give spelt out. */
export interface CniArgs {
  readonly podName: string | undefined;
  readonly podNamespace: string | undefined;
  readonly podUid: string | undefined;
  /** All pairs, as given. */
  readonly all: ReadonlyMap<string, string>;
}

/** Keys that are understood: those of Kubernetes runtimes, and those that IPAM plugins read. */
const KNOWN_KEYS = [
  'IgnoreUnknown',
  'K8S_POD_NAME',
  'K8S_POD_NAMESPACE',
  'K8S_POD_INFRA_CONTAINER_ID',
  'K8S_POD_UID',
  'IP',
  'GATEWAY',
  'MAC',
] as const;

/**
 * Reads CNI_ARGS: `KEY=value` pairs separated by `;`. A value may hold `=`.
 *
 * @throws CniError 4 for something that is no pair, a key given twice, or an unknown key unless `IgnoreUnknown` is
 * true or 1.
 */
export function parseCniArgs(text: string): CniArgs {
  const all = new Map<string, string>();
  for (const pair of text.split(';')) {
    if (pair === '') continue;
    const split = pair.indexOf('=');
    if (split < 1) {
      throw new CniError(
        CniErrorCode.invalidEnvironment,
        `CNI_ARGS: '${excerpt(pair)}' is not of the form KEY=value`,
      );
    }
    const key = pair.slice(0, split);
    if (all.has(key))
      throw new CniError(CniErrorCode.invalidEnvironment, `CNI_ARGS: ${excerpt(key)} is given twice`);
    all.set(key, pair.slice(split + 1));
  }
  const ignoreUnknown = ['1', 'true'].includes((all.get('IgnoreUnknown') ?? '').toLowerCase());
  const unknown = [...all.keys()].filter((key) => !KNOWN_KEYS.some((known) => known === key));
  if (unknown.length > 0 && !ignoreUnknown) {
    throw new CniError(
      CniErrorCode.invalidEnvironment,
      `CNI_ARGS: unknown ${unknown.length === 1 ? 'key' : 'keys'} ${excerpt(unknown.join(', '))} (IgnoreUnknown=1 accepts any)`,
    );
  }
  return {
    podName: all.get('K8S_POD_NAME'),
    podNamespace: all.get('K8S_POD_NAMESPACE'),
    podUid: all.get('K8S_POD_UID'),
    all,
  };
}
