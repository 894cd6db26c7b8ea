import type { V1Container, V1PodSpec } from '@kubernetes/client-node';
import { containersOf } from './manifests.js';

/** Kinds of volumes that lead to nothing of the node. */
const HARMLESS_VOLUMES = ['configMap', 'secret', 'emptyDir', 'projected', 'downwardAPI'];

/**
 * What the pod may do beyond a pod that may do nothing, as sorted words: `pod: hostNetwork`,
 * `agent: capability NET_ADMIN`, `agent: writes /etc/cni/net.d`. Kubernetes' own defaults count as what they allow.
 */
export function rightsOf(pod: V1PodSpec): string[] {
  const rights = new Set<string>();
  const add = (who: string, what: string) => rights.add(`${who}: ${what}`);
  for (const share of ['hostNetwork', 'hostPID', 'hostIPC', 'shareProcessNamespace'] as const) {
    if (pod[share]) add('pod', share);
  }
  if (pod.automountServiceAccountToken !== false) add('pod', 'token in every container');
  const securityContext = pod.securityContext ?? {};
  for (const key of ['sysctls', 'windowsOptions', 'supplementalGroups'] as const) {
    if (securityContext[key] !== undefined) add('pod', key);
  }
  for (const container of containersOf(pod)) {
    for (const right of rightsOfContainer(container, pod)) add(container.name, right);
  }
  return [...rights].sort();
}

function rightsOfContainer(container: V1Container, pod: V1PodSpec): string[] {
  const { securityContext: own = {}, volumeMounts = [] } = container;
  const inherited = pod.securityContext ?? {};
  const { capabilities, procMount } = own;
  const isNobody =
    (own.runAsNonRoot ?? inherited.runAsNonRoot) === true && (own.runAsUser ?? inherited.runAsUser) !== 0;
  const seccomp = own.seccompProfile ?? inherited.seccompProfile;
  const profile = seccomp?.type === 'Localhost' ? seccomp.localhostProfile : seccomp?.type;
  return [
    ...(isNobody ? [] : ['root']),
    ...(own.privileged ? ['privileged'] : []),
    ...(own.allowPrivilegeEscalation === false ? [] : ['allowPrivilegeEscalation']),
    ...(own.readOnlyRootFilesystem ? [] : ['writable root file system']),
    ...(capabilities?.drop?.includes('ALL') ? [] : ['default capabilities']),
    ...(capabilities?.add ?? []).map((name) => `capability ${name}`),
    ...(procMount === undefined || procMount === 'Default' ? [] : [`procMount ${procMount}`]),
    ...(profile === 'RuntimeDefault' ? [] : [`seccomp ${profile}`]),
    ...[container.startupProbe, container.livenessProbe, container.readinessProbe].flatMap((probe) => {
      const host = probe?.httpGet?.host ?? probe?.tcpSocket?.host;
      return host === undefined ? [] : [`probed at ${host}`];
    }),
    ...(container.volumeDevices ?? []).map(({ devicePath }) => `device ${devicePath}`),
    ...(container.ports ?? []).flatMap(({ hostPort }) => (hostPort ? [`hostPort ${hostPort}`] : [])),
    ...volumeMounts.flatMap(({ name, readOnly, mountPropagation }) => {
      const volume = (pod.volumes ?? []).find((candidate) => candidate.name === name);
      if (volume === undefined) return [`unknown volume ${name}`];
      const { name: _, hostPath, ...kinds } = volume;
      if (hostPath !== undefined) {
        const both = mountPropagation === 'Bidirectional' ? ' and mounts on the node' : '';
        return [`${readOnly ? 'reads' : 'writes'} ${hostPath.path}${both}`];
      }
      const tokens = (volume.projected?.sources ?? []).some((source) => source.serviceAccountToken);
      return [
        ...(tokens ? ['token'] : []),
        ...Object.keys(kinds).flatMap((kind) => (HARMLESS_VOLUMES.includes(kind) ? [] : [`volume ${kind}`])),
      ];
    }),
  ];
}
