import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { P4Program } from '@infra-offload/p4info';
import { modify, P4RuntimeSession } from '@infra-offload/p4rt';
import type { CounterData, Entity, MeterConfig } from '@infra-offload/p4rt/proto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Forwarding } from '../../entities/forwarding.js';
import { loadConfig } from '../../pipeline/config.js';
import { MemoryPorts } from '../../ports/memory.js';
import { engineFromSource } from '../../testing/engine.js';
import { readAll, small, smallArtifacts, smallConfig } from '../../testing/forwarding.js';
import { compiled, dpdkHeaders, dpdkInstalled, dpdkProgram, swxHost } from '../../testing/swx-host.js';
import { Channel } from './channel.js';
import { LocalEngine } from './engine/local.js';
import { HostDataplane } from './host-dataplane.js';
import { HostProcesses, stopLeft } from './host-processes.js';
import type { HostProgram } from './host-program.js';
import { injectBody, type PortPacket } from './packets.js';
import { helloBody, Operation, PortKind } from './protocol.js';
import { runFiles } from './run-directory.js';
import { ByteWriter } from './wire.js';

const PORTS = 4;
/** Behind those of TAP devices. */
const PORT = 2;
const { rate, volume } = small.meters;
if (rate === undefined || volume === undefined) throw new Error('the small program has two meters');
/** Rates are 1 a second: so much more that no machine is slow enough for them to matter. */
const UNIT = 1000;
/** The small program, with the color that a packet comes in with from its source. */
const SPEC = smallArtifacts.spec.replace(
  '\tmeter volume_0',
  '\tmov m.color h.ethernet.src\n\tmeter volume_0',
);
const CONFIG = smallConfig({ spec: SPEC });
const CLI = fileURLToPath(new URL('../../cli.ts', import.meta.url));

const config = (cburst: number, pburst: number): MeterConfig => ({
  cir: 1n,
  cburst: BigInt(cburst),
  pir: 1n,
  pburst: BigInt(pburst),
  eburst: 0n,
});

function packet(port: number, length: number, color = 0): PortPacket {
  const frame = Buffer.alloc(64);
  frame.writeUIntBE(color, 6, 6);
  frame.writeUInt16BE(length, 12);
  return { port, packet: frame };
}

/** Asks for a meter, or all of them, with its counts. */
function counted(request: Entity): Entity {
  if (request.entity?.$case !== 'meterEntry') throw new Error('no meter');
  const counterData = { green: undefined, yellow: undefined, red: undefined };
  return { entity: { $case: 'meterEntry', value: { ...request.entity.value, counterData } } };
}

async function killed(child: ReturnType<typeof spawn>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** Packets by color: green, yellow, red. */
function packetsOf({ entity }: Entity): number[] {
  const counts = entity?.$case === 'meterEntry' ? entity.value.counterData : undefined;
  return [counts?.green, counts?.yellow, counts?.red].map((data: CounterData | undefined) =>
    Number(data?.packetCount),
  );
}

const variants: readonly (readonly [string, (directory: string) => HostProgram])[] = [
  ['the engine, in a process of its own,', () => engineFromSource()],
  ...(dpdkInstalled
    ? ([
        [
          'DPDK, with sanitizers,',
          () => dpdkProgram(['--ports', `${PORTS}`, '--memory', '768'], swxHost('asan')),
        ],
      ] as const)
    : []),
  ...(dpdkInstalled && dpdkHeaders !== undefined
    ? ([
        [
          'DPDK, compiled,',
          (directory: string) =>
            dpdkProgram(['--ports', `${PORTS}`, '--memory', '256', ...compiled(SPEC, PORTS, directory)]),
        ],
      ] as const)
    : []),
];

describe.each(variants)('the meters of %s', (_, programOf) => {
  let directory: string;
  let theirs: HostDataplane;
  let ours: HostDataplane;
  let both: readonly Forwarding[];

  beforeAll(async () => {
    process.env.ASAN_OPTIONS = 'detect_leaks=0';
    directory = mkdtempSync(join(tmpdir(), 'meters-'));
    theirs = new HostDataplane(new MemoryPorts(PORTS), await HostProcesses.open(programOf(directory)));
    // Here no time passes, there not enough to matter.
    ours = new HostDataplane(new MemoryPorts(PORTS), new LocalEngine({ now: () => 0 }));
    both = [theirs, ours].map((dataplane) => {
      const forwarding = Forwarding.begin(loadConfig(dataplane, CONFIG));
      dataplane.activate(forwarding.pipeline);
      return forwarding;
    });
    for (const { pipeline } of both) await pipeline.commit();
  }, 120_000);

  afterAll(async () => {
    await theirs?.stop();
    rmSync(directory, { recursive: true });
  });

  async function write(...entities: Entity[]): Promise<void> {
    for (const forwarding of both) {
      for (const entity of entities) forwarding.update(modify(entity), undefined);
      await forwarding.pipeline.commit();
    }
  }

  async function send(packets: readonly PortPacket[]): Promise<void> {
    for (const { port, packet } of packets) ours.receive(port, packet.slice(), packet.length);
    const host = (await theirs.whenReady()) ?? expect.unreachable('no host');
    await host.request(Operation.INJECT, injectBody(packets));
  }

  async function read(request: Entity): Promise<Entity[][]> {
    // Reads of one turn of the event loop may be answered together.
    await new Promise((resolve) => setImmediate(resolve));
    return both.map((forwarding) => readAll(forwarding, request));
  }

  it('give the same colors to the same packets, whatever the bursts, and count the same', async () => {
    const burst = fc.integer({ min: 1, max: 12 });
    const cell = fc.integer({ min: 0, max: PORTS - 1 });
    const change = fc.oneof(
      fc
        .record({ index: cell, committed: burst, peak: burst })
        .map(({ index, committed, peak }) => volume.cell(index, config(committed * UNIT, peak * UNIT))),
      cell.map((index) => volume.cell(index)),
      // Clears the counts, and takes away the configuration.
      cell.map((index) => counted(volume.cell(index))),
      burst.map((peak) => volume.all(config(UNIT, peak * UNIT))),
    );
    const frames = fc.array(
      fc
        .record({ port: cell, length: fc.integer({ min: 0, max: 4 }), color: fc.integer({ min: 0, max: 2 }) })
        .map(({ port, length, color }) => packet(port, length * UNIT, color)),
      { minLength: 1, maxLength: 30 },
    );
    const step = fc.record({ changes: fc.array(change, { maxLength: 4 }), frames });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 5 }), async (steps) => {
        for (const { changes, frames } of steps) {
          await write(...changes);
          await send(frames);
          const [theirCounts, ourCounts] = await read(counted(volume.all()));
          expect(theirCounts).toEqual(ourCounts);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('of packets let a burst through, and mark the rest', async () => {
    await write(counted(rate.cell(1, config(2, 3))));
    await send(Array.from({ length: 500 }, () => packet(1, 0)));
    const [theirs = [], ours = []] = await read(counted(rate.cell(1)));
    expect(ours.map(packetsOf)).toEqual([[2, 1, 497]]);
    const [[green = 0, yellow = 0, red = 0] = []] = theirs.map(packetsOf);
    // Each second of these packets makes one more that is not red.
    expect(green + yellow + red).toBe(500);
    expect(green).toBeGreaterThanOrEqual(2);
    expect(green + yellow).toBeGreaterThanOrEqual(3);
    expect(red).toBeGreaterThan(100);
  });

  it('take more profiles than there are meters, one after the other', async () => {
    for (let i = 1; i <= 300; i++) await write(volume.cell(i % PORTS, config(i, i)));
    const entities = Array.from({ length: 300 }, (__, i) => volume.cell(i % PORTS, config(UNIT + i, UNIT)));
    await write(...entities, volume.all());
    const [theirs] = await read(volume.all());
    expect(theirs).toEqual([0, 1, 2, 3].map((index) => volume.cell(index)));
  });

  it('the greatest rates and bursts end nothing', async () => {
    const most = 2n ** 53n - 1n;
    await write(counted(volume.all({ cir: most, cburst: most, pir: most, pburst: most, eburst: 0n })));
    await send([packet(0, 60_000), packet(0, 60_000)]);
    const [theirs, ours] = await read(counted(volume.cell(0)));
    expect(theirs).toEqual(ours);
    expect(theirs?.map(packetsOf)).toEqual([[2, 0, 0]]);
  });
});

describe.each(dpdkInstalled ? ['engine', 'dpdk'] : ['engine'])(
  'a softswitch that is killed, with meters on %s',
  (dataplane) => {
    let directory: string;
    const children: ReturnType<typeof spawn>[] = [];

    beforeAll(() => {
      directory = mkdtempSync(join(tmpdir(), 'meters-'));
    });

    afterAll(async () => {
      for (const child of children) await killed(child);
      await stopLeft(directory);
      rmSync(directory, { recursive: true });
    });

    /** A softswitch with the run directory, and its controller. */
    async function start(prefix: string) {
      const file = join(directory, 'config.yaml');
      const host = dataplane === 'dpdk' ? swxHost() : 'none';
      writeFileSync(
        file,
        [
          `{ dataplane: ${dataplane}, runDirectory: ${directory}, p4runtime: '127.0.0.1:0', gnmi: '127.0.0.1:0'`,
          `tls: { mode: insecure }, log: { level: warn }, taps: { count: 2, prefix: ${prefix} }`,
          `dpdk: { host: ${host}, ports: 4, memoryMb: 256, compile: false } }`,
        ].join(', '),
      );
      const args = ['--import', 'tsx', '--conditions', '@infra-offload/source', CLI, '--config', file];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      children.push(child);
      const [line] = await once(child.stdout, 'data');
      const address = /p4runtime (\S+),/.exec(`${line}`)?.[1] ?? expect.unreachable(`${line}`);
      const session = await P4RuntimeSession.open({ address, deviceId: 1, electionId: 1n });
      const read = async (request: Entity): Promise<Entity[]> => {
        const found: Entity[] = [];
        for await (const entity of session.read(request)) found.push(entity);
        return found;
      };
      return { child, session, read };
    }

    /** Another client of the data plane, with a port in memory. */
    async function client(): Promise<Channel> {
      const channel = await Channel.open(runFiles(directory).socket);
      await channel.request(Operation.HELLO, helloBody());
      const port = new ByteWriter().u16(PORT).u8(PortKind.MEMORY).text('memory').u32(1500).view();
      await channel.request(Operation.ADD_PORT, port);
      return channel;
    }

    it('leaves its configurations to the next one, and the buckets as they are', async () => {
      const prefix = `m${randomBytes(3).toString('hex')}_`;
      const first = await start(prefix);
      await first.session.setPipeline(
        P4Program.fromP4Info(CONFIG.p4info ?? expect.unreachable('no P4Info')),
        CONFIG.p4DeviceConfig,
        { action: 'VERIFY_AND_COMMIT' },
      );
      const three = config(2 * UNIT, 3 * UNIT);
      await first.session.write([modify(volume.cell(PORT, three)), modify(rate.all(config(7, 8)))]);
      const packets = await client();
      const twice = injectBody([packet(PORT, UNIT), packet(PORT, UNIT)]);
      await packets.request(Operation.INJECT, twice);
      const before = await first.read(counted(volume.cell(PORT)));
      expect(before.map(packetsOf)).toEqual([[2, 0, 0]]);
      await killed(first.child);
      await first.session.close();

      const second = await start(prefix);
      expect(await second.read(counted(volume.cell(PORT)))).toEqual(before);
      expect(await second.read(rate.all())).toEqual([0, 1, 2, 3].map((i) => rate.cell(i, config(7, 8))));
      // Writing what is there changes nothing, and one more is what is left of the peak burst.
      await second.session.write([modify(volume.cell(PORT, three))]);
      await packets.request(Operation.INJECT, twice);
      packets.close();
      expect((await second.read(counted(volume.cell(PORT)))).map(packetsOf)).toEqual([[2, 1, 1]]);
      await expect(second.session.write([modify(volume.cell(PORT, config(0, 1)))])).rejects.toThrow(
        /meter volume: cburst is 0, it must be above 0/,
      );
      await second.session.close();
    }, 120_000);
  },
);
