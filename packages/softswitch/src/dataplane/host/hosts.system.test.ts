import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { TapPorts } from '../../ports/tap.js';
import { engineFromSource } from '../../testing/engine.js';
import { smallArtifacts } from '../../testing/forwarding.js';
import { dpdkInstalled, dpdkProgram } from '../../testing/swx-host.js';
import { HostDataplane } from './host-dataplane.js';
import { HostProcesses, stopLeft } from './host-processes.js';
import { type HostProgram, isAlive } from './host-program.js';
import { HostKeeper } from './keeper.js';
import { HEADER_BYTES, LENGTH_BYTES, Operation, PROTOCOL_VERSION, writeGreeting } from './protocol.js';
import { runFiles } from './run-directory.js';

const SPEC = smallArtifacts.spec;
const KINDS: readonly (readonly [name: string, programOf: () => HostProgram, kept: boolean])[] = [
  ['the engine', engineFromSource, false],
  ['the engine, started by a keeper', engineFromSource, true],
  ...(dpdkInstalled
    ? ([['DPDK', () => dpdkProgram(['--ports', '8', '--memory', '256']), false]] as const)
    : []),
];

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (let cleanup = cleanups.pop(); cleanup !== undefined; cleanup = cleanups.pop()) await cleanup();
});

function runDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'hosts-'));
  cleanups.push(async () => {
    await stopLeft(directory);
    rmSync(directory, { recursive: true });
  });
  return directory;
}

interface Messages {
  readonly lines: string[];
  readonly logger: Parameters<typeof HostProcesses.open>[1] extends { logger?: infer L } | undefined
    ? NonNullable<L>
    : never;
}

function messages(): Messages {
  const lines: string[] = [];
  const note = (fields: object, message: string): unknown =>
    lines.push(`${message} ${JSON.stringify(fields)}`);
  return { lines, logger: { debug: () => undefined, info: note, warn: note, error: note } };
}

/** A run directory with a keeper, which is where it should be to the end. */
async function keptDirectory(program: HostProgram): Promise<string> {
  const directory = runDirectory();
  const keeper = await HostKeeper.open(program, directory);
  cleanups.push(() => keeper.stop());
  return directory;
}

/** A switch without its services: TAP ports and a program in a host. */
async function open(program: HostProgram, directory: string, prefix: string, count = 2) {
  const { logger, lines } = messages();
  const kept = existsSync(runFiles(directory).keeper);
  const source = await HostProcesses.open(program, { directory, kept, logger });
  const ports = await TapPorts.open({ prefix, count, left: source.takePorts(), logger });
  const dataplane = new HostDataplane(ports, source, { logger });
  return { ports, dataplane, source, lines };
}

const tapPrefix = (): string => `h${randomBytes(3).toString('hex')}_`;
const isThere = (name: string): boolean => existsSync(`/sys/class/net/${name}`);

describe.each(KINDS)('a host that outlives its switch, %s', (_kind, programOf, kept) => {
  const newDirectory = async () => (kept ? await keptDirectory(programOf()) : runDirectory());

  it('is found again with program, tables, notes and ports; its devices stay all the time', async () => {
    const [directory, prefix] = [await newDirectory(), tapPrefix()];
    const first = await open(programOf(), directory, prefix);
    const pipeline = first.dataplane.load(SPEC, 'small.spec');
    pipeline.tableSet('fixed', { key: [{ value: 7 }], action: 'send', args: [1, 2n] });
    pipeline.tableSet('acl', {
      key: [
        { value: 0x0a000000, mask: 0xff000000 },
        { value: 6, mask: 255 },
        { value: 0n, mask: 0n },
      ],
      priority: 9,
      action: 'mark',
      args: [3],
    });
    pipeline.tableSet('narrow', {
      key: [{ value: 0x100, mask: 0xff80 }],
      priority: 7,
      action: 'send',
      args: [4, 5n],
    });
    pipeline.tableSetDefault('acl', 'mark', [8]);
    pipeline.selectorSet('as_sel', 2, [
      { member: 3, weight: 2 },
      { member: 1, weight: 1 },
    ]);
    pipeline.registerWrite('state_0', 1, 77n);
    pipeline.note('config', Buffer.from('what it is'));
    first.dataplane.activate(pipeline);
    await pipeline.commit();
    first.ports.create({ name: `${prefix}5`, mtu: 1400 });
    const pid = first.dataplane.host?.greeting.pid ?? 0;
    expect(isAlive(pid)).toBe(true);

    await first.ports.stop();
    await first.dataplane.leave();
    expect([0, 1, 5].map((number) => isThere(`${prefix}${number}`))).toEqual([true, true, true]);

    const second = await open(programOf(), directory, prefix, 3);
    cleanups.push(() => second.dataplane.stop());
    cleanups.push(() => second.ports.stop());
    expect(await second.dataplane.noteLeft('config')).toEqual(new Uint8Array(Buffer.from('what it is')));
    expect(await second.dataplane.noteLeft('another')).toBeUndefined();
    const again = second.dataplane.load(SPEC, 'small.spec');
    await second.dataplane.resume(again);
    expect(second.dataplane.host?.greeting.pid).toBe(pid);
    expect(second.ports.list().map(({ number, name, mtu }) => [number, name, mtu])).toEqual([
      [0, `${prefix}0`, 1500],
      [1, `${prefix}1`, 1500],
      [2, `${prefix}2`, 1500],
      [5, `${prefix}5`, 1400],
    ]);
    // The one that is new has been attached, too.
    expect(second.dataplane.statistics()?.ports.map(({ number }) => number)).toHaveLength(4);
    const { written } = again;
    for (const table of ['fixed', 'acl', 'narrow'])
      expect(written.entries(table)).toEqual(pipeline.written.entries(table));
    expect(written.defaultOf('acl')).toEqual({ action: 'mark', args: [8] });
    expect(written.members('as_sel', 2)).toEqual([
      { member: 3, weight: 2 },
      { member: 1, weight: 1 },
    ]);
    expect(again.registerRead('state_0', 1)).toBe(77n);

    // What is known of it is enough to make it anew.
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => second.dataplane.restarts).toBe(1);
    await second.dataplane.whenReady();
    expect(second.dataplane.host?.greeting.pid).not.toBe(pid);
    expect(second.dataplane.statistics()?.tables.map(({ entries }) => entries)).toEqual([1, 1, 0, 1, 0]);
    expect(again.registerRead('state_0', 1)).toBe(77n);
    expect(isThere(`${prefix}5`)).toBe(true);
  });

  it('a device that was lost while there was no switch is made again by the next one', async () => {
    const [directory, prefix] = [await newDirectory(), tapPrefix()];
    const first = await open(programOf(), directory, prefix);
    const pipeline = first.dataplane.load(SPEC, 'small.spec');
    first.dataplane.activate(pipeline);
    await pipeline.commit();
    await first.ports.stop();
    await first.dataplane.leave();
    execFileSync('ip', ['link', 'del', `${prefix}1`]);
    const second = await open(programOf(), directory, prefix);
    cleanups.push(() => second.dataplane.stop());
    cleanups.push(() => second.ports.stop());
    await second.dataplane.resume(second.dataplane.load(SPEC, 'small.spec'));
    await expect.poll(() => isThere(`${prefix}1`)).toBe(true);
  });

  it('that hangs is killed, and another one made', async () => {
    const { dataplane, ports, lines } = await open(programOf(), await newDirectory(), tapPrefix(), 0);
    cleanups.push(() => dataplane.stop());
    cleanups.push(() => ports.stop());
    const pipeline = dataplane.load(SPEC, 'small.spec');
    dataplane.activate(pipeline);
    await pipeline.commit();
    process.kill(dataplane.host?.greeting.pid ?? 0, 'SIGSTOP');
    await expect.poll(() => dataplane.restarts).toBe(1);
    await dataplane.whenReady();
    expect(lines.join('\n')).toMatch(/hangs: killing it/);
    expect(lines.join('\n')).toMatch(
      /has ended: starting it again .*did not answer for \d+ ms and was killed/,
    );
  });

  it('is another switch’s as long as that one lives', async () => {
    const directory = await newDirectory();
    const { dataplane, ports } = await open(programOf(), directory, tapPrefix(), 0);
    await expect(HostProcesses.open(programOf(), { directory })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: `run directory ${directory}: the softswitch with the process id ${process.pid} has it; give each its own`,
    });
    await ports.stop();
    await dataplane.stop();
    const next = await HostProcesses.open(programOf(), { directory });
    expect(next.found).toBe(false);
    await next.close();
  });
});

describe('a keeper of hosts', () => {
  const opened = async (directory: string, prefix: string) => {
    const { dataplane, ports, lines } = await open(engineFromSource(), directory, prefix, 1);
    cleanups.push(() => dataplane.stop());
    cleanups.push(() => ports.stop());
    const pipeline = dataplane.load(SPEC, 'small.spec');
    return { dataplane, pipeline, lines };
  };

  it('that ends takes its host along; another one starts it again, with the same ports', async () => {
    const [directory, prefix] = [runDirectory(), tapPrefix()];
    const keeper = await HostKeeper.open(engineFromSource(), directory);
    const { dataplane, pipeline } = await opened(directory, prefix);
    dataplane.activate(pipeline);
    await pipeline.commit();
    const pid = dataplane.host?.greeting.pid ?? 0;
    await keeper.stop();
    expect(isAlive(pid)).toBe(false);
    const next = await HostKeeper.open(engineFromSource(), directory);
    cleanups.push(() => next.stop());
    await expect.poll(() => dataplane.restarts).toBe(1);
    await dataplane.whenReady();
    expect(dataplane.statistics()?.ports).toHaveLength(1);
  });

  it('is the only one of its run directory', async () => {
    const directory = await keptDirectory(engineFromSource());
    await expect(HostKeeper.open(engineFromSource(), directory)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: `run directory ${directory}: the keeper with the process id ${process.pid} has it; give each its own`,
    });
  });

  it('tells why a host does not start', async () => {
    const directory = await keptDirectory({ ...engineFromSource(), args: ['-e', 'process.exit(2)', '--'] });
    const { dataplane, pipeline } = await opened(directory, tapPrefix());
    dataplane.activate(pipeline);
    await expect(dataplane.whenReady()).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'swx-engine does not start: it ended with code 2',
    });
  });
});

describe('a host that cannot be taken over', () => {
  it('of another kind is ended, and its ports stay', async () => {
    const [directory, prefix] = [runDirectory(), tapPrefix()];
    const first = await open(engineFromSource(), directory, prefix);
    const pipeline = first.dataplane.load(SPEC, 'small.spec');
    first.dataplane.activate(pipeline);
    await pipeline.commit();
    const pid = first.dataplane.host?.greeting.pid ?? 0;
    await first.ports.stop();
    await first.dataplane.leave();
    const second = await open({ ...engineFromSource(), kind: 'dpdk' }, directory, prefix);
    expect(second.lines[0]).toMatch(
      /cannot be taken over.*packets pause.*it is of the kind engine, not dpdk/,
    );
    expect(isAlive(pid)).toBe(false);
    expect(second.source.left).toBeUndefined();
    expect(second.ports.list().map(({ name }) => name)).toEqual([`${prefix}0`, `${prefix}1`]);
    expect(isThere(`${prefix}1`)).toBe(true);
    await second.ports.stop();
    await second.dataplane.stop();
    expect(isThere(`${prefix}1`)).toBe(false);
  });

  it.each([
    [
      'of another version',
      PROTOCOL_VERSION + 1,
      new RegExp(`it speaks version ${PROTOCOL_VERSION + 1}, this softswitch ${PROTOCOL_VERSION}`),
    ],
    ['that was not made ready', PROTOCOL_VERSION, /it was not prepared/],
    ['that speaks another language', undefined, /cannot be taken over/],
  ])(
    '%s is ended',
    async (_what, version, reason) => {
      const directory = runDirectory();
      const child = await strangeHost(join(directory, 'control'), version);
      const { logger, lines } = messages();
      const source = await HostProcesses.open(engineFromSource(), { directory, logger });
      expect(lines[0]).toMatch(reason);
      expect(source.left).toBeUndefined();
      expect(child.exitCode ?? child.signalCode).not.toBeNull();
      await source.close();
    },
    30_000,
  );
});

/** A process that listens like a host, says HELLO in a version of its own (or nonsense), has no ports and ends at STOP. */
async function strangeHost(path: string, version: number | undefined) {
  const greeting = writeGreeting({
    version: version ?? 0,
    kind: 'engine',
    software: '',
    pid: 0,
    slots: 0,
    started: false,
    compiled: false,
    interpretedBecause: '',
  });
  const script = `
    const greeting = Buffer.from('${Buffer.from(greeting).toString('hex')}', 'hex');
    require('net').createServer((socket) => socket.on('error', () => {}).on('data', (data) => {
      if (${version === undefined}) return socket.end('HTTP/1.1 400 Bad Request');
      for (let at = 0; at < data.length; at += data.readUInt32LE(at) + ${LENGTH_BYTES}) {
        const operation = data.readUInt16LE(at + 8);
        const body = operation === ${Operation.HELLO} ? greeting : Buffer.alloc(operation === ${Operation.LIST_PORTS} ? 4 : 0);
        const head = Buffer.alloc(${HEADER_BYTES});
        head.writeUInt32LE(body.length + 6, 0);
        head.writeUInt32LE(data.readUInt32LE(at + 4), 4);
        socket.write(Buffer.concat([head, body]), () => operation === ${Operation.STOP} && process.exit());
      }
    })).listen('${path}', () => console.log('ready'));`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanups.push(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}
