import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stage } from './stage.js';

const TICKS_A_SECOND = 100;

/**
 * What the network's programs on the first node take while nothing happens.
 *
 * @returns such as `infraagent 0.9 % of a core, 93 MB`
 */
export async function atRest(stage: Stage, milliseconds: number): Promise<string> {
  const programs = await programsOf(stage);
  const before = new Map([...programs].map(([name, pid]) => [name, usageOf(pid).ticks]));
  await sleep(milliseconds);
  return [...programs]
    .map(([name, pid]) => {
      const { ticks, kilobytes } = usageOf(pid);
      const share = ((ticks - (before.get(name) ?? 0)) / TICKS_A_SECOND / milliseconds) * 100_000;
      return `${name} ${share.toFixed(2)} % of a core, ${Math.round(kilobytes / 1024)} MB`;
    })
    .sort()
    .join('; ');
}

/** Their first processes, by name. */
async function programsOf({ network, cluster: { first } }: Stage): Promise<ReadonlyMap<string, number>> {
  if (network.kind === 'infra-offload')
    return first.containers('io.kubernetes.pod.namespace', 'infra-offload');
  const pid = network.proxies.get(first.name)?.pid;
  return new Map(pid === undefined ? [] : [['kube-proxy', pid]]);
}

interface Usage {
  readonly ticks: number;
  readonly kilobytes: number;
}

/** Of a process and what it has started. */
function usageOf(pid: number): Usage {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  const [, resident = '0'] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  return children
    .map(usageOf)
    .reduce(
      (sum, { ticks, kilobytes }) => ({ ticks: sum.ticks + ticks, kilobytes: sum.kilobytes + kilobytes }),
      { ticks: Number(fields[11]) + Number(fields[12]), kilobytes: Number(resident) },
    );
}
