import { dirname, isAbsolute, join } from 'node:path';
import { messageOf } from '@infra-offload/base';
import { ConfigFile, oneLine, safeParse, YamlError } from '@infra-offload/yaml';
import type { KubeConfig } from '@kubernetes/client-node';
import * as z from 'zod';
import { formatPath } from '../objects/parse.js';
import { KubernetesApiError } from './error.js';

const text = z.string().nullish();
const file = text;

/** What the client takes on trust (client-go: clientcmd/api/v1). What else there is goes through. */
const kubeconfigSchema = z.looseObject({
  'current-context': text,
  clusters: listOf(
    z.looseObject({
      name: z.string(),
      cluster: z.looseObject({
        server: z.string(),
        'certificate-authority': file,
        'certificate-authority-data': text,
        'insecure-skip-tls-verify': z.boolean().nullish(),
        'tls-server-name': text,
        'proxy-url': text,
      }),
    }),
  ),
  contexts: listOf(
    z.looseObject({
      name: z.string(),
      context: z.looseObject({ cluster: z.string(), user: text, namespace: text }),
    }),
  ),
  users: listOf(
    z.looseObject({
      name: z.string(),
      user: z
        .looseObject({
          token: text,
          tokenFile: file,
          'client-certificate': file,
          'client-certificate-data': text,
          'client-key': file,
          'client-key-data': text,
          username: text,
          password: text,
          as: text,
          exec: z
            .looseObject({
              command: z.string(),
              args: listOf(z.string()),
              env: listOf(z.looseObject({ name: z.string(), value: z.string() })),
            })
            .nullish(),
          'auth-provider': z.looseObject({ name: z.string() }).nullish(),
        })
        .nullish(),
    }),
  ),
});

type Kubeconfig = z.output<typeof kubeconfigSchema>;

function listOf<Item extends z.ZodType>(item: Item) {
  return z.array(item).nullish();
}

/**
 * Loads a kubeconfig file into the client.
 *
 * @throws {KubernetesApiError} `CONFIG`, with file, line and column of what is wrong
 */
export function loadKubeconfig(config: KubeConfig, path: string, wantedContext: string | undefined): void {
  const checked = readKubeconfig(path);
  try {
    // As JSON, so that the client's own reader of YAML only sees what has been checked.
    config.loadFromString(JSON.stringify(checked));
    config.makePathsAbsolute(dirname(path));
  } catch (cause) {
    throw wrong(path, messageOf(cause), cause);
  }
  const names = config.contexts.map(({ name }) => name);
  const name = wantedContext ?? config.currentContext;
  const choices = names.length > 0 ? `there are: ${names.join(', ')}` : 'there are none';
  if (!name) throw wrong(path, `no current-context; name a context (${choices})`);
  config.setCurrentContext(name);
  const context = config.getContextObject(name);
  if (context === null) throw wrong(path, `no context '${name}' (${choices})`);
  const cluster = config.getCurrentCluster();
  if (cluster === null)
    throw wrong(path, `context '${name}' names the cluster '${context.cluster}', which is not there`);
  if (!/^https?:\/\//.test(cluster.server) || !URL.canParse(cluster.server)) {
    throw wrong(
      path,
      `cluster '${context.cluster}': server '${cluster.server}' is no http:// or https:// URL`,
    );
  }
  if (context.user && config.getCurrentUser() === null) {
    throw wrong(path, `context '${name}' names the user '${context.user}', which is not there`);
  }
  // Without any user the client would leave out the cluster's certificate authority, too.
  if (!context.user) {
    config.loadFromClusterAndUser(cluster, { name: '' });
    return;
  }
  // The client reads a tokenFile once only, but its own way of naming one is read again and again.
  const tokenFile = checked.users?.find((user) => user.name === context.user)?.user?.tokenFile;
  if (!tokenFile) return;
  const absolute = isAbsolute(tokenFile) ? tokenFile : join(dirname(path), tokenFile);
  const authProvider = { name: 'tokenFile', config: { tokenFile: absolute } };
  for (const user of config.users) {
    if (user.name === context.user) Object.assign(user, { authProvider, token: undefined });
  }
}

function readKubeconfig(path: string): Kubeconfig {
  let read: ConfigFile;
  try {
    read = ConfigFile.read(path);
  } catch (cause) {
    if (!YamlError.is(cause)) throw cause;
    throw new KubernetesApiError('CONFIG', `kubeconfig ${cause.message}`, { cause });
  }
  const { success, data, error } = safeParse(kubeconfigSchema, read.settings);
  if (success) return data;
  const [issue] = error.issues;
  const at = issue?.path ?? [];
  throw wrong(read.place(at), `${formatPath(at)}: ${issue?.message}`, error);
}

function wrong(place: string, reason: string, cause?: unknown): KubernetesApiError {
  return new KubernetesApiError('CONFIG', oneLine(`kubeconfig ${place}: ${reason}`), { cause });
}
