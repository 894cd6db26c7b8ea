import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerMount, ContainerRights } from '@infra-offload/testbed';
import type { V1Container, V1PodSpec } from '@kubernetes/client-node';
import type { Manifest } from './manifests.js';

/**
 * What a container runtime gives a container of a manifest.
 *
 * @param profiles what the nodes have of seccomp profiles, by `localhostProfile`. Those of the runtime are not applied
 *   here: `RuntimeDefault` is none.
 */
export function rightsForRuntime(
  container: V1Container,
  profiles: ReadonlyMap<string, object>,
): ContainerRights {
  const { capabilities, runAsUser = 0, seccompProfile } = container.securityContext ?? {};
  const { type, localhostProfile = '' } = seccompProfile ?? { type: 'Unconfined' };
  if (type === 'Localhost' && !profiles.has(localhostProfile))
    throw new Error(`there is no seccomp profile ${localhostProfile}`);
  return {
    user: runAsUser,
    capabilities: (capabilities?.add ?? []).map((name) => `CAP_${name}`),
    seccomp: type === 'Localhost' ? profiles.get(localhostProfile) : undefined,
  };
}

/** The profiles that init containers install: a ConfigMap's files, below the directory of the host that they write to. */
export function seccompProfiles(manifests: readonly Manifest[], pod: V1PodSpec): Map<string, object> {
  const directory = '/var/lib/kubelet/seccomp/';
  const { hostPath } =
    (pod.volumes ?? []).find((volume) => volume.hostPath?.path.startsWith(directory)) ?? {};
  const prefix = hostPath?.path.slice(directory.length) ?? '';
  const maps = manifests.filter(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.includes('seccomp'),
  );
  return new Map(
    maps.flatMap(({ data }) =>
      Object.entries(data as Record<string, string>).map(([file, text]) => [
        `${prefix}/${file}`,
        JSON.parse(text),
      ]),
    ),
  );
}

/**
 * The mounts of a container, from directories of the node that are below `root` here; network namespaces are the
 * machine's own.
 */
export function mountsForRuntime(container: V1Container, pod: V1PodSpec, root: string): ContainerMount[] {
  return (container.volumeMounts ?? []).flatMap(({ name, mountPath, readOnly = false }) => {
    const path = (pod.volumes ?? []).find((volume) => volume.name === name)?.hostPath?.path;
    if (path === undefined) return [];
    const source = path === '/var/run/netns' ? '/run/netns' : join(root, path);
    mkdirSync(source, { recursive: true });
    return [{ source, destination: mountPath, readOnly }];
  });
}
