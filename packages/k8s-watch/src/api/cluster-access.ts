import { statSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { messageOf } from '@infra-offload/base';
import type { KubeConfig } from '@kubernetes/client-node';
import { KubernetesApiError } from './error.js';
import { loadKubeconfig } from './kubeconfig.js';

/** Where the API server is, and as whom to ask it. */
export type ClusterAccess =
  /** By the pod's service account, which Kubernetes mounts. */
  | { readonly type: 'in-cluster' }
  /** By a kubeconfig file: certificates, tokens, token files, exec plugins, OIDC, proxy. */
  | {
      readonly type: 'kubeconfig';
      readonly path: string;
      /** Instead of the file's current-context. */
      readonly context?: string;
    };

/** What a request needs: the server's URL, and options for node:http or node:https with agent and headers. */
export interface RequestAccess {
  readonly server: URL;
  readonly options: RequestOptions;
  /** To be handed to `renew` when the server refuses what is in the options. */
  readonly generation: number;
}

/**
 * The credentials for requests, always as they are now: token files and certificates are read again for each request
 * (token files at most once a minute), a kubeconfig when it has changed, everything when the server refuses it.
 */
export class Credentials {
  readonly #access: ClusterAccess;
  #config: KubeConfig | undefined;
  #generation = 0;
  /** Of the kubeconfig, as it was read. */
  #stamp = '';
  /** One after the other, so that an exec plugin runs once for all the requests that wait for it. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(access: ClusterAccess) {
    this.#access = access;
  }

  /**
   * @throws {KubernetesApiError} `CONFIG` if the configuration is missing or wrong, `CREDENTIALS` if a token file, a
   * certificate or an exec plugin fails.
   */
  forRequest(): Promise<RequestAccess> {
    const next = this.#last.then(() => this.#forRequest());
    this.#last = next.catch(() => undefined);
    return next;
  }

  /** @throws {KubernetesApiError} `CONFIG` if the configuration is missing or wrong. */
  async check(): Promise<void> {
    await this.#current();
  }

  /** Reads everything again for the next request, unless that has happened since `generation` was given out. */
  renew(generation: number): void {
    if (generation === this.#generation) this.#config = undefined;
  }

  async #forRequest(): Promise<RequestAccess> {
    const config = await this.#current();
    const cluster = config.getCurrentCluster();
    if (cluster === null) throw new KubernetesApiError('CONFIG', 'the context names no cluster');
    const options: RequestOptions = {};
    try {
      await config.applyToHTTPSOptions(options);
    } catch (cause) {
      throw new KubernetesApiError('CREDENTIALS', `the credentials cannot be read: ${messageOf(cause)}`, {
        cause,
      });
    }
    // A token file ends with a newline, which no header may have.
    const headers = Object.entries(options.headers ?? {}).map(([name, value]) => [
      name,
      String(value).trim(),
    ]);
    return {
      server: new URL(cluster.server),
      options: { ...options, headers: Object.fromEntries(headers) },
      generation: this.#generation,
    };
  }

  async #current(): Promise<KubeConfig> {
    const stamp = this.#access.type === 'kubeconfig' ? fileStamp(this.#access.path) : '';
    if (this.#config === undefined || (stamp !== '' && stamp !== this.#stamp)) {
      // Loaded here, since it costs 70 MB and half a second, which only users of the API should pay.
      const { KubeConfig } = await import('./kube-config.js');
      this.#config = loadConfig(new KubeConfig(), this.#access);
      this.#stamp = stamp;
      this.#generation++;
    }
    return this.#config;
  }
}

function fileStamp(path: string): string {
  try {
    const { ino, size, mtimeMs } = statSync(path);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    return '';
  }
}

function loadConfig(config: KubeConfig, access: ClusterAccess): KubeConfig {
  if (access.type === 'in-cluster') {
    if (!process.env.KUBERNETES_SERVICE_HOST || !process.env.KUBERNETES_SERVICE_PORT) {
      const message =
        'not in a pod of a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set; give a kubeconfig';
      throw new KubernetesApiError('CONFIG', message);
    }
    config.loadFromCluster();
  } else {
    loadKubeconfig(config, access.path, access.context);
  }
  // The client refuses plain HTTP unless TLS checks are off, which do not matter there.
  config.clusters = config.clusters.map((cluster) =>
    cluster.server.startsWith('http:') ? { ...cluster, skipTLSVerify: true } : cluster,
  );
  return config;
}
