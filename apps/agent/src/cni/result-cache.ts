import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAddressPrefix } from '@infra-offload/cni-types';
import { safeParse } from '@infra-offload/yaml';
import * as z from 'zod';
import type { Bandwidth } from '../interfaces/bandwidth.js';
import { readBandwidth } from './bandwidth.js';

/** Where libcni, and so every usual container runtime, keeps what it was answered to ADD. */
export const RESULT_CACHE_DIRECTORY = '/var/lib/cni/results';

/** More than any runtime writes into one file. */
const MAX_FILE_BYTES = 1024 * 1024;

/** A file of libcni's cache (`cniCacheV1`), as far as it tells who has which address. */
const cachedSchema = z.object({
  kind: z.literal('cniCacheV1'),
  containerId: z.string().min(1),
  ifName: z.string().min(1),
  networkName: z.string().min(1),
  cniArgs: z.array(z.tuple([z.string(), z.string()])).nullish(),
  capabilityArgs: z.object({ bandwidth: z.unknown() }).partial().nullish(),
  result: z.object({ ips: z.array(z.object({ address: z.string() })).nullish() }),
});

/** What a runtime remembers of an ADD. */
export interface CachedResult {
  readonly containerId: string;
  readonly ifname: string;
  readonly network: string;
  readonly pod: { readonly namespace: string; readonly name: string };
  /** IPv4, without prefix length. */
  readonly addresses: readonly string[];
  readonly bandwidth: Bandwidth | undefined;
}

/** All that can be read of libcni's cache; empty if there is none. */
export async function readResultCache(directory: string): Promise<CachedResult[]> {
  const names = await readdir(directory).catch(() => []);
  const read = await Promise.all(names.map((name) => readResult(join(directory, name))));
  return read.filter((result) => result !== undefined);
}

/** Takes away what the runtime remembers of a network. */
export async function removeResults(directory: string, network: string): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    const path = join(directory, name);
    if ((await readResult(path))?.network === network) await rm(path, { force: true });
  }
}

async function readResult(path: string): Promise<CachedResult | undefined> {
  const json = await readJson(path);
  const { data } = safeParse(cachedSchema, json);
  if (data === undefined) return undefined;
  const args = new Map(data.cniArgs);
  const parsed = (data.result.ips ?? []).map(({ address }) => parseAddressPrefix(address));
  return {
    containerId: data.containerId,
    ifname: data.ifName,
    network: data.networkName,
    pod: { namespace: args.get('K8S_POD_NAMESPACE') ?? '', name: args.get('K8S_POD_NAME') ?? '' },
    addresses: parsed.flatMap((prefix) => (prefix?.family === 4 ? [prefix.address] : [])),
    bandwidth: bandwidthOf(data.capabilityArgs?.bandwidth),
  };
}

/** What ADD has refused was never in force. */
function bandwidthOf(value: unknown): Bandwidth | undefined {
  try {
    return readBandwidth(value);
  } catch {
    return undefined;
  }
}

/** Files come and go with pods, and a runtime that was killed may have left a part of one. */
async function readJson(path: string): Promise<unknown> {
  try {
    const file = await stat(path);
    if (!file.isFile() || file.size > MAX_FILE_BYTES) return undefined;
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
}
