import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isSystemError, messageOf } from '@infra-offload/base';
import type { AgentConfig } from './config/schema.js';
import { checkHealth } from './health-client.js';
import { managerSecurity, type SecuritySettings } from './sync/connection.js';

/** Why something is not as it should be yet, for people; undefined if it is. */
export type Check = () => Promise<string | undefined>;

const POLL_MS = 100;

/**
 * Repeats a check until it succeeds.
 *
 * @param timeoutMs 0 waits for ever.
 * @returns what the last check said when the time was over, undefined after a success.
 */
export async function waitFor(check: Check, timeoutMs: number): Promise<string | undefined> {
  const deadline = timeoutMs === 0 ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
  for (;;) {
    const problem = await check();
    if (problem === undefined || performance.now() >= deadline) return problem;
    await sleep(Math.min(POLL_MS, deadline - performance.now()));
  }
}

/** Whether infra-manager serves (grpc.health.v1). @throws ServiceError CONFIG if a certificate cannot be used */
export function managerCheck(config: Pick<AgentConfig, 'managerAddress'> & SecuritySettings): Check {
  const { managerAddress } = config;
  const { credentials } = managerSecurity(config);
  return async () => {
    const health = await checkHealth(managerAddress, credentials, 1_000);
    return health.serving ? undefined : `infra-manager ${managerAddress} is not serving: ${health.reason}`;
  };
}

/**
 * Whether a CNI configuration in `directory` sends Calico's plugin here: `dataplane_options` of type grpc, with the
 * socket on which this agent serves Calico, if it does.
 */
export function calicoConfigCheck(directory: string, { calico }: Pick<AgentConfig, 'calico'>): Check {
  return async () => {
    let names: string[];
    try {
      names = (await readdir(directory)).filter((name) => /\.(conf|conflist|json)$/.test(name)).sort();
    } catch (error) {
      return `CNI configurations cannot be read: ${messageOf(error)}`;
    }
    const problems: string[] = [];
    for (const name of names) {
      const path = join(directory, name);
      const problem = await inspect(path, calico?.listen);
      if (problem === undefined) return undefined;
      problems.push(`${path}: ${problem}`);
    }
    return problems.join('; ') || `there is no CNI configuration in ${directory}`;
  };
}

async function inspect(path: string, listen: string | undefined): Promise<string | undefined> {
  let config: unknown;
  try {
    config = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    return isSystemError(error, 'ENOENT') ? 'gone' : messageOf(error);
  }
  const plugins = member(config, 'plugins');
  const list = Array.isArray(plugins) ? plugins : [config];
  const calico = list.find((plugin) => member(plugin, 'type') === 'calico');
  if (calico === undefined) return 'no plugin of type calico';
  const options = member(calico, 'dataplane_options');
  if (member(options, 'type') !== 'grpc') return "calico's dataplane_options are not of type grpc";
  const socket = member(options, 'socket');
  if (listen !== undefined && socket !== listen) {
    return `calico's dataplane_options have the socket ${JSON.stringify(socket)}, but the agent serves Calico on ${JSON.stringify(listen)}: write that there`;
  }
  return undefined;
}

function member(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null
    ? Object.entries(value).find(([k]) => k === key)?.[1]
    : undefined;
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A duration as Go writes it (`90s`, `1m30s`, `500ms`), or seconds. @returns milliseconds; undefined if it is neither. */
export function parseDuration(text: string): number | undefined {
  if (/^[0-9]+(\.[0-9]+)?$/.test(text)) return Number(text) * 1_000;
  if (!/^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, number, unit = ''] of text.matchAll(/([0-9.]+)(ms|s|m|h)/g)) {
    total += Number(number) * (UNIT_MS[unit] ?? 0);
  }
  return total;
}
