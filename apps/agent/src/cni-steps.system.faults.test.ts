import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import type { AttachmentKey } from '@infra-offload/cni-types';
import { faultTest, type Random } from '@infra-offload/faults';
import { afterEach, beforeEach, expect, vi } from 'vitest';
import { Attacher } from './cni/attacher.js';
import type { PodProgrammerOptions } from './cni/pod-programmer.js';
import type { AttachRequest } from './cni/protocol.js';
import { grpcError } from './testing/fake-manager.js';
import type { Fault, FaultMode, Step } from './testing/faults.js';
import { FaultyIpam, type IpamFault } from './testing/faulty-ipam.js';
import { Harness } from './testing/harness.js';
import { links } from './testing/network.js';

const { injector } = await vi.hoisted(async () => {
  const { FaultInjector } = await import('./testing/faults.js');
  return { injector: new FaultInjector() };
});

vi.mock('./interfaces/command.js', async (original) => {
  const actual = await original<typeof import('./interfaces/command.js')>();
  const runCommand: typeof actual.runCommand = (file, args, options) =>
    injector.command(actual.runCommand, file, args, options);
  return { ...actual, runCommand };
});

vi.mock('./cni/pod-programmer.js', async (original) => {
  const actual = await original<typeof import('./cni/pod-programmer.js')>();
  /** Waits less for a manager that hangs. */
  class PodProgrammer extends actual.PodProgrammer {
    constructor(options: PodProgrammerOptions) {
      super({ ...options, addTimeoutMs: 200, deleteTimeoutMs: 200 });
    }
  }
  return { ...actual, PodProgrammer };
});

vi.mock('node:fs/promises', async (original) => {
  const actual = await original<typeof import('node:fs/promises')>();
  const open: typeof actual.open = async (path, ...more) => {
    const file = await injector.file(`open ${path}`, () => actual.open(path, ...more));
    const { writeFile, sync } = file;
    file.writeFile = (...words) => injector.file(`write ${path}`, () => writeFile.apply(file, words));
    file.sync = () => injector.file(`sync ${path}`, () => sync.call(file));
    return file;
  };
  const rename: typeof actual.rename = (from, to) =>
    injector.file(`rename ${to}`, () => actual.rename(from, to));
  const rm: typeof actual.rm = (path, options) => injector.file(`rm ${path}`, () => actual.rm(path, options));
  return { ...actual, default: { ...actual, open, rename, rm }, open, rename, rm };
});

/** A fault of a step, of the manager or of IPAM; or several at once. */
interface Case {
  readonly name: string;
  readonly operation: 'ADD' | 'DEL';
  readonly faults?: readonly Fault[];
  readonly ipam?: IpamFault;
  readonly manager?: 'refuses' | 'refuses after it' | 'hangs' | 'hangs after it';
  /** ADD fails and cannot undo everything at once: the runtime's DEL must. */
  readonly leavesWork?: true;
  /** The operation succeeds in spite of it. */
  readonly succeeds?: true;
}

let harness: Harness;
let ipam: FaultyIpam;
let netns: string;
let macs: string[];

beforeEach(async () => {
  const { attach, detach } = Attacher.prototype;
  vi.spyOn(Attacher.prototype, 'attach').mockImplementation(function (
    this: Attacher,
    request: AttachRequest,
  ) {
    return injector.run('attach', () => attach.call(this, request));
  });
  vi.spyOn(Attacher.prototype, 'detach').mockImplementation(function (this: Attacher, key: AttachmentKey) {
    return injector.run('detach', () => detach.call(this, key));
  });
  harness = new Harness();
  // One TAP for pods: if any failure kept it, no later ADD could succeed.
  await harness.start(2);
  ipam = new FaultyIpam(harness.network.directory);
  netns = harness.network.addNetns('pod');
  macs = tapMacs();
  injector.destroyNamespace = () => harness.network.removeNetns(netns);
});

afterEach(async () => {
  injector.arm();
  vi.restoreAllMocks();
  await harness.stop();
});

/** With limits of bandwidth, so that there are all steps that ADD and DEL can have. */
const config = { runtimeConfig: { bandwidth: { ingressRate: 8_000_000, egressRate: 8_000_000 } } };
const cni = (command: string) =>
  harness.cni(command, { netns, config, env: { CNI_PATH: `${ipam.directory}:/usr/lib/cni` } });

/** By sysfs, without a process. */
function tapMacs(): string[] {
  const { prefix } = harness.network;
  const names = readdirSync('/sys/class/net').filter((name) => name.startsWith(prefix));
  return names
    .sort()
    .map((name) => `${name} ${readFileSync(`/sys/class/net/${name}/address`, 'utf8').trim()}`);
}

/** What is where it should not be; empty if nothing is. */
function leftovers(): string[] {
  const { network, manager } = harness;
  const leases = join(network.directory, 'ipam', 'pods');
  const taps = tapMacs();
  return [
    ...(existsSync(leases) ? readdirSync(leases) : []).filter((name) => name.startsWith('10.')),
    ...readdirSync(join(network.directory, 'state', 'tap')),
    ...[...manager.pods.keys()].map((id) => `manager: ${id}`),
    ...links(netns).flatMap(({ ifname }) => (ifname === 'lo' ? [] : [`in the pod: ${ifname}`])),
    ...macs.filter((tap) => !taps.includes(tap)).map((tap) => `missing: ${tap}`),
  ];
}

/** The target makes a TAP anew that went with its namespace, and the runtime makes a new namespace. */
function renew(): void {
  if (existsSync(netns)) return;
  netns = harness.network.addNetns('pod');
  if (tapMacs().length < 2) harness.network.addTap(1);
  macs = tapMacs();
}

function armManager({ operation, manager: mode }: Case): void {
  const { manager } = harness;
  const handle = (take: () => void) => async () => {
    manager.onAddPod = () => {};
    manager.onDeletePod = () => {};
    if (mode === 'refuses after it' || mode === 'hangs after it') take();
    if (mode === 'hangs' || mode === 'hangs after it')
      await new Promise((resolve) => setTimeout(resolve, 300));
    throw grpcError(status.UNAVAILABLE, 'injected');
  };
  if (mode === undefined) return;
  if (operation === 'DEL') {
    manager.onDeletePod = (id) => handle(() => manager.objects.delete(`2:${id}`))();
  } else {
    manager.onAddPod = (pod) =>
      handle(() => {
        manager.objects.set(`2:${pod.attachmentId}`, { object: { $case: 'pod', value: pod } });
      })();
  }
}

function arm(fault: Case): void {
  injector.arm(...(fault.faults ?? []));
  ipam.arm(fault.ipam);
  armManager(fault);
}

async function expectClean(what: string): Promise<void> {
  renew();
  // The manager hears of some removals on the stream only.
  await vi.waitFor(() => expect(leftovers(), what).toEqual([]), { timeout: 60_000 });
}

/** One ADD and one DEL with a fault, as a runtime does it: DEL after an ADD that failed, and again until it succeeds. */
async function faultyCycle(fault: Case): Promise<void> {
  const { name, operation, leavesWork = false, succeeds = false } = fault;
  if (operation === 'ADD') arm(fault);
  const added = await cni('ADD');
  if (operation === 'ADD') {
    expect(injector.armed, `${name}: not reached; ${JSON.stringify(added.json)}`).toEqual([]);
    expect(added, name).toMatchObject({ exitCode: 1, json: { code: expect.any(Number) } });
    if (!leavesWork) await expectClean(`${name}: right after ADD`);
  } else {
    expect(added, name).toEqual({ exitCode: 0, json: expect.anything() });
    arm(fault);
  }
  const deleted = await cni('DEL');
  if (operation === 'DEL') {
    expect(injector.armed, `${name}: not reached`).toEqual([]);
    expect(deleted.exitCode, name).toBe(succeeds ? 0 : 1);
  }
  expect(await cni('DEL'), name).toEqual({ exitCode: 0, json: undefined });
  await expectClean(name);
}

async function cleanCycle(after: string): Promise<void> {
  expect(await cni('ADD'), `the next ADD after ${after}`).toEqual({ exitCode: 0, json: expect.anything() });
  expect(links(netns).map(({ ifname }) => ifname)).toContain('eth0');
  expect(await cni('DEL'), `the next DEL after ${after}`).toEqual({ exitCode: 0, json: undefined });
  await expectClean(`the cycle after ${after}`);
}

/** Every step that a good ADD and DEL take, in every mode in which it can go wrong. */
async function faultsOfSteps(): Promise<Case[]> {
  injector.steps = [];
  await cleanCycle('nothing');
  return injector.steps.flatMap((step) => modesOf(step).map((mode) => caseOf(step, mode)));
}

function modesOf({ sort, line, what }: Step): readonly FaultMode[] {
  if (line !== undefined) return ['fails'];
  if (sort === 'command') return ['fails', 'fails after it', 'hangs', 'namespace destroyed'];
  return /^(rename|rm) /.test(what) ? ['fails', 'fails after it'] : ['fails'];
}

function caseOf(step: Step, mode: FaultMode): Case {
  const isAdd = step.operation === 'attach';
  const what = step.line === undefined ? step.what : `line ${step.line}: ${step.what}`;
  return {
    name: `${isAdd ? 'ADD' : 'DEL'}: ${mode}: ${what}`,
    operation: isAdd ? 'ADD' : 'DEL',
    faults: [{ step, mode }],
    // A namespace that is gone needs no more work, and one whose interface is home again has none; files are seen to later.
    ...(!isAdd && (mode === 'namespace destroyed' || step.sort === 'file')
      ? { succeeds: true as const }
      : {}),
    ...(!isAdd && mode === 'fails after it' && /link set dev \S+ netns/.test(step.what)
      ? { succeeds: true as const }
      : {}),
  };
}

/** ADD fails because the manager refuses, and then a step of undoing it fails, too. */
function faultsOfUndoing(add: readonly Case[]): Case[] {
  const commands = Math.max(...add.map(({ faults }) => numberOf(faults, 'command'))) + 1;
  const files = Math.max(...add.map(({ faults }) => numberOf(faults, 'file')));
  const undo: readonly [Fault['step']['sort'], number, FaultMode][] = [
    ...[commands, commands + 1, commands + 2].flatMap((number) =>
      (['fails', 'hangs'] as const).map((mode) => ['command', number, mode] as const),
    ),
    ['command', commands + 1, 'namespace destroyed'],
    // Only the first of the two state files has been written.
    ['file', (files + 1) / 2, 'fails'],
  ].map(([sort, number, mode]) => [sort, number, mode] as [Fault['step']['sort'], number, FaultMode]);
  return undo.map(([sort, number, mode]) => ({
    name: `ADD refused by the manager, and then: ${mode}: ${sort} ${number}`,
    operation: 'ADD',
    manager: 'refuses',
    faults: [{ step: { operation: 'attach', sort, number }, mode }],
    leavesWork: true,
  }));
}

function numberOf(faults: readonly Fault[] = [], sort: Step['sort']): number {
  return Math.max(-1, ...faults.filter(({ step }) => step.sort === sort).map(({ step }) => step.number));
}

const others: readonly Case[] = [
  ...(['refuses', 'refuses after it', 'hangs', 'hangs after it'] as const).flatMap((manager) => [
    { name: `AddPod ${manager}`, operation: 'ADD' as const, manager },
    // The snapshot or the stream heals it.
    { name: `DeletePod ${manager}`, operation: 'DEL' as const, manager, succeeds: true as const },
  ]),
  ...(['ADD fails', 'ADD fails after it', 'ADD answers nonsense', 'ADD is killed after it'] as const).map(
    (fault) => ({ name: `IPAM ${fault}`, operation: 'ADD' as const, ipam: fault }),
  ),
  { name: 'IPAM DEL fails', operation: 'DEL', ipam: 'DEL fails' },
  {
    name: 'AddPod refused, and IPAM DEL fails',
    operation: 'ADD',
    manager: 'refuses',
    ipam: 'DEL fails',
    leavesWork: true,
  },
];

faultTest(
  {
    fault: 'a step of ADD or DEL, the manager or IPAM fails, fails after it, hangs, or loses the namespace',
    promise: 'nothing is left behind, at the latest after the DEL that a runtime sends; the next ADD works',
    // Each of them once.
    sample: 100,
    most: 900,
  },
  async ({ cases: wanted, random }) => {
    const steps = await faultsOfSteps();
    const ofAdd = steps.filter(({ operation }) => operation === 'ADD');
    const all = [...steps, ...faultsOfUndoing(ofAdd), ...others];
    expect(all.length).toBeGreaterThan(50);
    let left: Case[] = [];
    for (let cycle = 0; cycle < wanted; cycle++) {
      if (left.length === 0) left = shuffled(all, random);
      const fault = left.pop();
      if (fault !== undefined) await faultyCycle(fault);
    }
    // With one TAP and one address for all, each cycle has shown that the one before it has left nothing.
    await cleanCycle('all');
    return `${Math.min(wanted, all.length)} of ${all.length} different faults, nothing left behind`;
  },
);

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const keyed = items.map((item) => ({ item, key: random.below(2 ** 31) }));
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}
