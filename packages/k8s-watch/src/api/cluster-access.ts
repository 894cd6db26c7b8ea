import { readFileSync, statSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { dirname, isAbsolute, join } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import { parse } from 'yaml';
import * as z from 'zod';
import { KubernetesApiError, reasonOf } from './error.js';

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
      throw new KubernetesApiError('CREDENTIALS', `the credentials cannot be read: ${reasonOf(cause)}`, {
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
      const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js');
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

const tokenFiles = z.object({
  users: z.array(
    z.object({ name: z.string(), user: z.object({ tokenFile: z.string().nullish() }).nullish() }),
  ),
});

function loadKubeconfig(config: KubeConfig, path: string, wantedContext: string | undefined): void {
  const text = attempt(path, () => readFileSync(path, 'utf8'));
  const files = tokenFiles.safeParse(attempt(path, () => parse(text)));
  const wrong = (cause: string) => new KubernetesApiError('CONFIG', `kubeconfig ${path}: ${cause}`);
  attempt(path, () => config.loadFromFile(path));
  const names = config.contexts.map(({ name }) => name);
  const name = wantedContext ?? config.currentContext;
  const choices = names.length > 0 ? `there are: ${names.join(', ')}` : 'there are none';
  if (!name) throw wrong(`no current-context; name a context (${choices})`);
  config.setCurrentContext(name);
  const context = config.getContextObject(name);
  if (context === null) throw wrong(`no context '${name}' (${choices})`);
  const cluster = config.getCurrentCluster();
  if (cluster === null)
    throw wrong(`context '${name}' names the cluster '${context.cluster}', which is not there`);
  if (!/^https?:\/\//.test(cluster.server) || !URL.canParse(cluster.server)) {
    throw wrong(`cluster '${context.cluster}': server '${cluster.server}' is no http:// or https:// URL`);
  }
  if (context.user && config.getCurrentUser() === null) {
    throw wrong(`context '${name}' names the user '${context.user}', which is not there`);
  }
  // Without any user the client would leave out the cluster's certificate authority, too.
  if (!context.user) {
    config.loadFromClusterAndUser(cluster, { name: '' });
    return;
  }
  // The client reads a tokenFile once only, but its own way of naming one is read again and again.
  const tokenFile = files.data?.users.find((user) => user.name === context.user)?.user?.tokenFile;
  if (!tokenFile) return;
  const absolute = isAbsolute(tokenFile) ? tokenFile : join(dirname(path), tokenFile);
  const authProvider = { name: 'tokenFile', config: { tokenFile: absolute } };
  for (const user of config.users) {
    if (user.name === context.user) Object.assign(user, { authProvider, token: undefined });
  }
}

function attempt<Result>(path: string, read: () => Result): Result {
  try {
    return read();
  } catch (cause) {
    throw new KubernetesApiError('CONFIG', `kubeconfig ${path}: ${reasonOf(cause)}`, { cause });
  }
}
