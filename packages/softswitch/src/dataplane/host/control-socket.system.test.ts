import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { smallArtifacts } from '../../testing/forwarding.js';
import { dpdkInstalled, swxHost } from '../../testing/swx-host.js';
import { Channel } from './channel.js';
import {
  BATCH_COMMIT,
  Change,
  encodeRequest,
  helloBody,
  MAGIC,
  Operation,
  PortKind,
  PROTOCOL_VERSION,
  readGreeting,
  readPorts,
} from './protocol.js';
import { readStatistics } from './statistics.js';
import { ByteWriter } from './wire.js';

const HELLO = encodeRequest(0, Operation.HELLO, helloBody());
const NOTHING = new Uint8Array(0);
const MESSAGE_MAX = 64 << 20;
/** Messages of random changes that are tried. */
const ROUNDS = 400;

/** What clients may do wrong at the socket, with the host under sanitizers, which end it when it does something wrong, too. */
describe.skipIf(!dpdkInstalled)('the control socket of swx-host', () => {
  const directory = mkdtempSync(join(tmpdir(), 'control-'));
  const spec = join(directory, 'small.spec');
  const binaryFile = join(directory, 'binary.spec');
  const path = join(directory, 'socket');
  const env = { ...process.env, ASAN_OPTIONS: 'detect_leaks=0' };
  let binary: string;
  let host: ReturnType<typeof spawn>;
  let errors = '';
  let client: Channel;

  beforeAll(async () => {
    writeFileSync(spec, smallArtifacts.spec);
    writeFileSync(binaryFile, new Uint8Array(1000));
    binary = swxHost('asan');
    const args = ['--spec', spec, '--socket', path, '--ports', '4', '--memory', '768', '--die-with-parent'];
    host = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    host.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    if (host.stdout !== null) await once(host.stdout, 'data');
    client = await greeted();
  });

  afterAll(async () => {
    client?.close();
    if (host?.exitCode === null) {
      host.kill('SIGTERM');
      await once(host, 'exit');
    }
    rmSync(directory, { recursive: true });
  });

  async function greeted(): Promise<Channel> {
    const channel = await Channel.open(path);
    await channel.request(Operation.HELLO, helloBody());
    return channel;
  }

  async function raw(...pieces: Uint8Array[]): Promise<Socket> {
    const socket = connect(path);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    for (const piece of pieces) await new Promise((resolve) => socket.write(piece, resolve));
    return socket;
  }

  /** Waits until the host has hung up. */
  async function hungUp(socket: Socket): Promise<void> {
    socket.resume();
    if (!socket.closed) await once(socket, 'close');
  }

  async function entries(): Promise<number[]> {
    const { tables } = readStatistics(await client.request(Operation.STATISTICS, NOTHING));
    expect(errors).toBe('');
    return tables.map((table) => table.entries);
  }

  const length = (value: number): Uint8Array => new ByteWriter().u32(value).view();
  const staged = (flags: number): Uint8Array =>
    new ByteWriter().u8(flags).u32(1).u8(Change.REGISTER).u16(0).u32(0).u64(1n).view();

  it.each([
    ['no length at all', length(0)],
    ['less than a header', length(5)],
    ['more than a message may have', length(MESSAGE_MAX + 1)],
    ['a length of 4 GB', length(0xffff_ffff)],
  ])('hangs up on %s, and on nobody else', async (_what, bytes) => {
    await hungUp(await raw(HELLO, bytes));
    await entries();
  });

  it.each([
    ['in the middle of a length', HELLO.subarray(0, 2)],
    ['in the middle of a header', HELLO.subarray(0, 7)],
    [
      'in the middle of a batch',
      encodeRequest(1, Operation.BATCH, new Uint8Array(100_000)).subarray(0, 70_000),
    ],
    ['at once', NOTHING],
  ])('forgets a client that goes %s', async (_what, bytes) => {
    const socket = await raw(bytes);
    socket.destroy();
    await entries();
  });

  it('wants to be greeted, in its own language', async () => {
    const mute = await Channel.open(path);
    await expect(mute.request(Operation.STATISTICS, NOTHING)).rejects.toThrow(/first message must be HELLO/);
    await expect(mute.request(Operation.HELLO, new Uint8Array(6))).rejects.toThrow(/something else/);
    await expect(mute.request(Operation.HELLO, new Uint8Array(60))).rejects.toThrow(/54 bytes too long/);
    mute.close();
  });

  it('a client of another version may take the ports and end it, and nothing else', async () => {
    const other = await Channel.open(path);
    const hello = new ByteWriter()
      .u32(MAGIC)
      .u16(PROTOCOL_VERSION + 1)
      .view();
    expect(readGreeting(await other.request(Operation.HELLO, hello))).toMatchObject({
      version: PROTOCOL_VERSION,
      kind: 'dpdk',
      started: false,
    });
    expect(readPorts(await other.request(Operation.LIST_PORTS, NOTHING))).toEqual([]);
    await expect(other.request(Operation.STATISTICS, NOTHING)).rejects.toThrow(
      `the client speaks version ${PROTOCOL_VERSION + 1}`,
    );
    other.close();
  });

  it('a client that goes before it commits leaves nothing behind', async () => {
    const other = await greeted();
    await other.request(Operation.BATCH, staged(0));
    await expect(client.request(Operation.BATCH, staged(BATCH_COMMIT))).rejects.toThrow(
      /another client has staged/,
    );
    other.close();
    await expect
      .poll(() => client.request(Operation.BATCH, staged(BATCH_COMMIT)).then(() => 'done', String))
      .toBe('done');
  });

  it('32 clients are served, and the next one when one of them is gone', async () => {
    const others = await Promise.all(Array.from({ length: 31 }, greeted));
    const late = greeted();
    const answered = await Promise.race([
      late.then(() => true),
      new Promise((resolve) => setTimeout(resolve, 100)),
    ]);
    expect(answered).toBeUndefined();
    others.pop()?.close();
    (await late).close();
    for (const other of others) other.close();
    await entries();
  });

  it('a message of the largest size is read as a whole before it is refused', async () => {
    const body = new Uint8Array(MESSAGE_MAX - 6).fill(0xff);
    await expect(client.request(Operation.BATCH, body)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it.each([
    [PortKind.DEVICE, 'net_none0', /net_none0/],
    [PortKind.DEVICE, 'net_af_packet0,iface=none', /net_af_packet0/],
    [PortKind.DEVICE, '0000:ff:1f.7', /0000:ff:1f\.7/],
    [PortKind.DESCRIPTOR, 'tap', /no descriptor came/],
    [9, 'x', /no kind 9/],
  ])('a port that cannot be made is told (kind %d, %s)', async (kind, name, message) => {
    const body = new ByteWriter().u16(1).u8(kind).text(name).u32(1500).view();
    await expect(client.request(Operation.ADD_PORT, body)).rejects.toThrow(message);
    // What DPDK says of the device.
    errors = '';
  });

  it('nothing that changes can say makes it stumble, and what fails changes nothing', async () => {
    let state = 4711;
    const random = (n: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      return (state >>> 8) % n;
    };
    const refusals = new Map<string, number>();
    for (let round = 0; round < ROUNDS; round++) {
      const before = await entries();
      const count = 1 + random(8);
      const writer = new ByteWriter().u8(random(2)).u32(count);
      // Mostly changes of the right form, with numbers that are often too large.
      for (let i = 0; i < count; i++) {
        writer.u8(1 + random(Object.keys(Change).length)).u16(random(5));
        for (let rest = random(40); rest > 0; rest--) writer.u8(random(3) === 0 ? random(256) : random(3));
      }
      const refused = await client.request(Operation.BATCH, writer.view()).then(
        () => undefined,
        (error: Error) => error.message,
      );
      if (refused !== undefined) {
        const kind = refused.replace(/\d+/g, 'N');
        refusals.set(kind, (refusals.get(kind) ?? 0) + 1);
        await client.request(Operation.ABORT, NOTHING);
        expect(await entries()).toEqual(before);
      } else await client.request(Operation.ABORT, NOTHING);
    }
    expect(refusals.size).toBeGreaterThan(5);
  });

  it.each([
    [
      'no file',
      ['--spec', '/nonexistent.spec', '--socket', path],
      1,
      /cannot read \/nonexistent\.spec: No such file/,
    ],
    ['a directory', ['--spec', directory, '--socket', path], 1, /Is a directory/],
    ['no text', ['--spec', binaryFile, '--socket', path], 2, /is not text/],
    [
      'no place for the socket',
      ['--spec', spec, '--socket', '/nonexistent/s'],
      1,
      /cannot listen on \/nonexistent\/s/,
    ],
    [
      'no number',
      ['--spec', spec, '--socket', path, '--ports', 'many'],
      1,
      /--ports: 'many' is not in 1\.\.4096/,
    ],
    [
      'no library',
      ['--spec', spec, '--socket', path, '--library', spec],
      1,
      /was not made by swx-host --compile/,
    ],
  ])(
    'does not start with %s, and says why',
    (_what, args, status, message) => {
      const run = spawnSync(binary, [...args, '--memory', '256'], { encoding: 'utf8', env });
      expect({ status: run.status, stderr: run.stderr }).toEqual({
        status,
        stderr: expect.stringMatching(message),
      });
    },
    60_000,
  );
});
