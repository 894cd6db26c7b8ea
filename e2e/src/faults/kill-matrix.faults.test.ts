/** Each program is killed, frozen and restarted while services scale, pods come and go and a policy is switched. */
import { setTimeout } from 'node:timers/promises';
import { faultTest, freeze } from '@infra-offload/faults';
import { eventually } from '@infra-offload/testbed';
import { afterAll, beforeAll, expect } from 'vitest';
import { BusyNode } from './support/busy-node.js';

const FAULTS = ['kill -9', 'SIGSTOP for a while', 'SIGTERM'] as const;
const LONGEST_FREEZE_MS = 1_500;
/** Faults come at any moment of a change that takes so long. */
const CHANGE_MS = 300;

let node: BusyNode;
beforeAll(async () => {
  node = await BusyNode.start();
});
afterAll(() => node?.stop());

interface Row {
  readonly program: string;
  readonly pid: () => Promise<number>;
  /** Ends it, and has it started again. */
  readonly restart: (signal: NodeJS.Signals) => Promise<void>;
  /** Whether connections to endpoints that have left live on. */
  readonly keepsConnections: boolean;
}

function server(program: 'agent' | 'manager' | 'softswitch', start: () => Promise<void>): Row {
  return {
    program,
    pid: async () => node.bed[program].pid ?? 0,
    restart: async (signal) => {
      await node.bed[program].stop(signal);
      await start();
    },
    keepsConnections: true,
  };
}

const rows: readonly Row[] = [
  server('agent', () => node.bed.startAgent()),
  server('manager', () => node.bed.startManager()),
  server('softswitch', () => node.bed.startSoftswitch()),
  {
    program: 'data plane',
    pid: () => node.bed.dataplanePid(),
    // The softswitch starts it again.
    restart: async (signal) => {
      const before = await node.bed.dataplanePid();
      process.kill(before, signal);
      await eventually(
        'the softswitch has started another data plane',
        async () => (await node.bed.dataplanePid()) !== before || undefined,
      );
    },
    // The flows that it has learned go with it.
    keepsConnections: false,
  },
];

for (const { program, pid, restart, keepsConnections } of rows) {
  faultTest(
    {
      fault: `${program} killed, frozen or restarted under churn`,
      promise: `device equals wanted afterwards, nothing leaks${keepsConnections ? ', no connection dies' : ''}`,
      sample: FAULTS.length,
      unit: 'upheaval',
    },
    async ({ cases, random }) => {
      let slowest = 0;
      let lost = 0;
      for (let index = 0; index < cases; index++) {
        const change = node.change(random);
        await setTimeout(random.below(CHANGE_MS));
        // Each once, then as it comes.
        const fault = FAULTS[index] ?? random.pick(FAULTS);
        if (fault === 'SIGSTOP for a while') {
          await freeze(await pid(), random.below(LONGEST_FREEZE_MS));
        } else await restart(fault === 'kill -9' ? 'SIGKILL' : 'SIGTERM');
        await change;
        const { died, slowestMs } = await node.askConnections();
        if (keepsConnections) expect(died, `connections that died by ${fault} of case ${index}`).toBe(0);
        lost += died;
        slowest = Math.max(slowest, slowestMs);
        await node.keepConnections();
      }
      await node.nothingIsLeft();
      return `${lost} connections died, slowest answer ${slowest} ms, nothing left over`;
    },
  );
}
