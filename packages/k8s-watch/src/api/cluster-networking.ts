import { ConfigFile, safeParse } from '@infra-offload/yaml';
import * as z from 'zod';
import { cidr } from '../objects/fields.js';
import { KubernetesApiError } from './error.js';
import type { ApiClient } from './http.js';
import type { ApiTiming } from './timing.js';

/**
 * Ranges of addresses that no object of the API has before Kubernetes 1.33: from what kubeadm has left behind, or else from
 * the command lines of the control plane, where that runs as pods.
 */
export interface ClusterNetworking {
  readonly serviceCidrs: readonly string[];
  readonly podCidrs: readonly string[];
  /** Where it is written: "ConfigMap kube-system/kubeadm-config". */
  readonly origin: string;
}

const MAX_BYTES = 4 * 1024 * 1024;
const NAMESPACE = 'api/v1/namespaces/kube-system';

/** @throws {KubernetesApiError} if the server cannot be asked. */
export async function readClusterNetworking(
  client: ApiClient,
  timing: ApiTiming,
  signal: AbortSignal,
): Promise<ClusterNetworking | undefined> {
  const read = (path: string, query: Record<string, string> = {}) =>
    readJson(client, path, query, timing, signal);
  const config = fromKubeadm(await read(`${NAMESPACE}/configmaps/kubeadm-config`));
  if (config !== undefined) return config;
  const labelSelector = 'component in (kube-apiserver,kube-controller-manager)';
  return fromCommandLines(await read(`${NAMESPACE}/pods`, { labelSelector }));
}

/** undefined for what is not there, may not be read, or is no JSON. */
async function readJson(
  client: ApiClient,
  path: string,
  query: Record<string, string>,
  { answerMs, listSilenceMs: silenceMs }: ApiTiming,
  signal: AbortSignal,
): Promise<unknown> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of client.get({ path, query, signal, answerMs, silenceMs })) {
      pieces.push(chunk);
      size += chunk.length;
      if (size > MAX_BYTES) return undefined;
    }
  } catch (error) {
    if (KubernetesApiError.is(error) && (error.code === 'NOT_SERVED' || error.code === 'FORBIDDEN'))
      return undefined;
    throw error;
  }
  return attempt(() => JSON.parse(Buffer.concat(pieces).toString('utf8')));
}

const configMap = z.object({ data: z.object({ ClusterConfiguration: z.string() }) });
const clusterConfiguration = z.object({
  networking: z.object({ serviceSubnet: z.string().nullish(), podSubnet: z.string().nullish() }),
});

function fromKubeadm(value: unknown): ClusterNetworking | undefined {
  const text = safeParse(configMap, value).data?.data.ClusterConfiguration;
  if (text === undefined) return undefined;
  const networking = safeParse(
    clusterConfiguration,
    attempt(() => ConfigFile.parse(text, 'ClusterConfiguration').settings),
  ).data?.networking;
  return networkingOf(
    networking?.serviceSubnet,
    networking?.podSubnet,
    'ConfigMap kube-system/kubeadm-config',
  );
}

const words = z.array(z.string()).nullish();
const podList = z.object({
  items: z.array(
    z.object({ spec: z.object({ containers: z.array(z.object({ command: words, args: words })) }) }),
  ),
});

function fromCommandLines(value: unknown): ClusterNetworking | undefined {
  const pods = safeParse(podList, value).data?.items ?? [];
  const containers = pods.flatMap(({ spec }) => spec.containers);
  const line = containers.flatMap(({ command, args }) => [...(command ?? []), ...(args ?? [])]).join(' ');
  const flag = (name: string) => new RegExp(`(?:^|[\\s"'])--${name}[= ]["']?([^\\s"']+)`).exec(line)?.[1];
  return networkingOf(
    flag('service-cluster-ip-range'),
    flag('cluster-cidr'),
    'command lines of the control plane in kube-system',
  );
}

function networkingOf(
  services: string | null | undefined,
  pods: string | null | undefined,
  origin: string,
): ClusterNetworking | undefined {
  const serviceCidrs = rangesOf(services);
  const podCidrs = rangesOf(pods);
  return serviceCidrs.length + podCidrs.length > 0 ? { serviceCidrs, podCidrs, origin } : undefined;
}

/** Of both families, with commas. */
function rangesOf(text: string | null | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((range) => range.trim())
    .filter((range) => safeParse(cidr, range).success);
}

function attempt(read: () => unknown): unknown {
  try {
    return read();
  } catch {
    return undefined;
  }
}
