import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  addServers,
  applyService,
  cniError,
  eventually,
  NetworkNamespace,
  programs,
  ServiceProcess,
  scaleService,
  serviceBalanced,
  Testbed,
  type TestPod,
} from '@infra-offload/testbed';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { HTTP, WEB } from './web.js';

/**
 * Split mode: the agent on the host, the manager in a namespace of its own like that of the IPU's cores, with mTLS over a link
 * that is cut for a while. The manager's way to the target is another link, which stays.
 */

const CUT_MS = 60_000;
const MANAGER = '10.10.0.2:50002';

let bed: Testbed;
let cores: NetworkNamespace;
let processes: ServiceProcess[] = [];
let client: TestPod;
let webs: TestPod[] = [];

function edit(name: string, change: (config: Record<string, unknown>) => object): void {
  const file = bed.layout.config(name);
  writeFileSync(file, stringify(change(parse(readFileSync(file, 'utf8')) as Record<string, unknown>)));
}

async function link(name: string, host: string, far: string): Promise<void> {
  await bed.node.must('ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', name, 'netns', cores.name]);
  for (const [namespace, address] of [
    [bed.node, host],
    [cores, far],
  ] as const) {
    await namespace.must('ip', ['address', 'add', address, 'dev', name]);
    await namespace.must('ip', ['link', 'set', name, 'up']);
  }
}

async function agentConnected(): Promise<boolean> {
  return (await bed.client.status()).agent?.connected === true;
}

beforeAll(async () => {
  bed = await Testbed.create({
    tapCount: 6,
    agent: { managerAddress: MANAGER },
    certificateNames: ['10.10.0.2'],
  });
  cores = await NetworkNamespace.create(`iof-${bed.id}-cores`);
  await link('comms', '10.10.0.1/24', '10.10.0.2/24');
  await link('device', '10.11.0.1/24', '10.11.0.2/24');
  const insecure = { mode: 'insecure' };
  edit('softswitch', (config) => ({
    ...config,
    p4runtime: '0.0.0.0:9559',
    gnmi: '0.0.0.0:9339',
    tls: insecure,
  }));
  edit('manager', (config) => ({
    ...config,
    listen: MANAGER,
    target: {
      ...{ p4runtimeAddress: '10.11.0.1:9559', p4runtimeTls: insecure },
      ...{ gnmiAddress: '10.11.0.1:9339', gnmiTls: insecure },
    },
  }));
  const process = (name: string, program: string, args: readonly string[]) =>
    new ServiceProcess(name, cores, program, args, bed.layout.log(name));
  const relay = process('relay', programs.relay, [`${bed.layout.managerSocket}=${MANAGER}`]);
  const manager = process('manager', programs.manager, ['--config', bed.layout.config('manager')]);
  processes = [relay, manager];
  await bed.startSoftswitch();
  await relay.start(async () => true);
  await manager.start(async () => (await bed.client.status()).target?.primary === true);
  await bed.startAgent();
  client = await bed.addPod('client');
  webs = await addServers(bed, WEB, ['web-1', 'web-2']);
  await scaleService(bed, WEB, webs);
});

afterAll(async () => {
  for (const process of processes) await process.stop();
  await bed?.stop();
});

it('the link is cut and comes back under load', async () => {
  const [first] = webs;
  if (first === undefined) throw new Error('no pods');
  const open = await client.process.open('kept', HTTP);
  await cores.must('ip', ['link', 'set', 'comms', 'down']);
  const cutAt = performance.now();

  // The data plane goes on, for new connections and for old ones.
  let asked = 0;
  let failed = 0;
  const load = (async () => {
    while (performance.now() - cutAt < CUT_MS) {
      const { failures } = await client.process.spread(HTTP, 5);
      asked += 5;
      failed += Object.values(failures).reduce((sum, count) => sum + count, 0);
      expect((await client.process.ask('kept')).server).toBe(open.server);
      await sleep(200);
    }
  })();

  // What needs the manager is refused, with codes that have the runtime try again.
  await eventually(
    'STATUS says so',
    async () => {
      const { code, stdout } = await bed.cni({ command: 'STATUS' });
      if (code === 0) return undefined;
      expect(cniError.parse(JSON.parse(stdout)).code).toBe(50);
      return true;
    },
    { timeoutMs: 120_000 },
  );
  const statusMs = performance.now() - cutAt;
  const add = await bed.add('refused');
  expect(cniError.parse(JSON.parse(add.stdout)).code).toBe(11);
  await eventually('the manager misses the agent', async () => !(await agentConnected()) || undefined, {
    timeoutMs: 120_000,
  });
  const missedMs = performance.now() - cutAt;
  // The node changes meanwhile.
  applyService(bed, WEB, [first]);
  await load;
  expect({ asked: asked > 0, failed }).toEqual({ asked: true, failed: 0 });

  await cores.must('ip', ['link', 'set', 'comms', 'up']);
  const backAt = performance.now();
  await eventually('the agent is back', async () => (await agentConnected()) || undefined, {
    timeoutMs: 120_000,
  });
  await serviceBalanced(bed, WEB, [first]);
  const equalMs = performance.now() - backAt;
  await bed.inSync();
  expect(Object.keys((await client.process.spread(HTTP, 10)).servers)).toEqual(['web-1']);
  expect((await client.process.ask('kept')).server).toBe(open.server);
  const pod = await bed.addPod('after');
  expect(pod.ip).not.toBe('');
  console.log(
    `cut for ${CUT_MS / 1000} s: STATUS 50 after ${(statusMs / 1000).toFixed(1)} s, agent missed after ` +
      `${(missedMs / 1000).toFixed(1)} s, ${asked} connections of which ${failed} failed, equal ${(equalMs / 1000).toFixed(1)} s after its return`,
  );
});
