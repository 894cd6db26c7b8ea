import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { V1Container, V1PodSpec } from '@kubernetes/client-node';
import { parseAllDocuments } from 'yaml';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
export const OVERLAYS = ['standalone', 'host', 'calico', 'split'] as const;
/** What kubectl applies: folders of deploy/. */
export const DEPLOYABLE = [...OVERLAYS.map((name) => `overlays/${name}`), 'cleanup'];

export interface Manifest {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** What kubectl makes of a folder of deploy/. */
export function built(folder: string): Manifest[] {
  return builtFrom(join(ROOT, 'deploy', folder));
}

/** What it makes of an overlay of one's own. */
export function builtFrom(directory: string): Manifest[] {
  return manifestsIn(execFileSync('kubectl', ['kustomize', directory], { encoding: 'utf8' }));
}

/** The objects in a file of manifests. */
export function manifestsIn(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => document.toJS({ maxAliasCount: 0 }) as Manifest);
}

/** The pods of the DaemonSets, by the DaemonSet's name. */
export function podsOf(manifests: readonly Manifest[]): Map<string, V1PodSpec> {
  return new Map(
    manifests
      .filter(({ kind }) => kind === 'DaemonSet')
      .map(({ metadata, spec }) => [
        metadata.name,
        (spec as { template: { spec: V1PodSpec } }).template.spec,
      ]),
  );
}

/** Init containers first, as they run. */
export function containersOf(pod: V1PodSpec): readonly V1Container[] {
  return [...(pod.initContainers ?? []), ...pod.containers];
}
