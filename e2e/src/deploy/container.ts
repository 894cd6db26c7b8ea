import { chownSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerMount, ContainerProgram, ContainerRights, Layout } from '@infra-offload/testbed';
import { filesOf, LEAVES } from '@infra-offload/tls-certs';
import type { V1Container, V1PodSpec, V1Volume } from '@kubernetes/client-node';
import { type Manifest, ROOT } from './manifests.js';

const SECCOMP = '/var/lib/kubelet/seccomp';

/**
 * What a container runtime gives a container of a manifest.
 *
 * @param profileOf the node's seccomp profile of that `localhostProfile`. The runtime's own is not applied here:
 *   `RuntimeDefault` is none.
 */
export function rightsForRuntime(
  { securityContext = {} }: V1Container,
  profileOf: (localhostProfile: string) => object,
): ContainerRights {
  const { capabilities, runAsUser = 0, seccompProfile } = securityContext;
  const { type, localhostProfile = '' } = seccompProfile ?? { type: 'Unconfined' };
  return {
    user: runAsUser,
    capabilities: (capabilities?.add ?? []).map((name) => `CAP_${name}`),
    seccomp: type === 'Localhost' ? profileOf(localhostProfile) : undefined,
  };
}

/** A node without kubelet: runs containers of manifests by runc, with its files below a directory. */
export class ManifestRunner {
  readonly #layout: Layout;
  readonly #manifests: readonly Manifest[];
  /** The node's root directory. */
  readonly root: string;

  constructor(layout: Layout, manifests: readonly Manifest[]) {
    this.#layout = layout;
    this.#manifests = manifests;
    this.root = join(layout.directory, 'node');
  }

  /**
   * A container as kubelet would have it made.
   *
   * @param entrypoint that of its image.
   */
  program(pod: V1PodSpec, container: V1Container, entrypoint: readonly string[]): ContainerProgram {
    const rights = rightsForRuntime(container, (profile) =>
      JSON.parse(readFileSync(join(this.root, SECCOMP, profile), 'utf8')),
    );
    return {
      runc: 'runc',
      command: container.command ?? entrypoint,
      args: container.args ?? [],
      env: { NODE_NAME: 'node-1', KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: '6443' },
      rights,
      mounts: [
        ...(container.volumeMounts ?? []).map(({ name, mountPath, readOnly = false }): ContainerMount => {
          const volume = pod.volumes?.find((candidate) => candidate.name === name);
          if (volume === undefined) throw new Error(`${container.name} mounts ${name}, which is no volume`);
          return { source: this.#directoryOf(volume, rights.user), destination: mountPath, readOnly };
        }),
        // What the image has, also where a volume (/tmp) would hide it.
        { source: ROOT, readOnly: true },
      ],
    };
  }

  /** Where a projected volume's files are; whoever projects something writes them. */
  projected(name: string): string {
    return join(this.#layout.directory, 'volumes', name);
  }

  #directoryOf(volume: V1Volume, user: number): string {
    const { name, hostPath, configMap, secret } = volume;
    // Network namespaces are the machine's.
    if (hostPath?.path === '/var/run/netns') return '/run/netns';
    const directory =
      hostPath === undefined ? join(this.#layout.directory, 'volumes', name) : join(this.root, hostPath.path);
    mkdirSync(directory, { recursive: true });
    if (configMap !== undefined) {
      const data = this.#manifests.find(({ metadata }) => metadata.name === configMap.name)?.data ?? {};
      for (const [file, text] of Object.entries(data)) writeFileSync(join(directory, file), String(text));
    }
    if (secret !== undefined) {
      const leaf = LEAVES.find((candidate) => candidate.secret === secret.secretName);
      if (leaf === undefined) throw new Error(`nobody makes the Secret ${secret.secretName}`);
      const { ca, cert, key } = filesOf(this.#layout.certificates, leaf);
      for (const [file, source] of Object.entries({ 'ca.crt': ca, 'tls.crt': cert, 'tls.key': key })) {
        copyFileSync(source, join(directory, file));
        chownSync(join(directory, file), user, user);
      }
    }
    if (volume.emptyDir !== undefined) chownSync(directory, user, user);
    return directory;
  }
}
