import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'tsup';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import options from '../tsup.config.js';

/** The program as it is installed, started as Felix starts it: with descriptors 3 and 4. */
let directory: string;
let socketPath: string;
let server: Server;
let agent: Socket | undefined;
let children: ChildProcess[];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'felix-proxy-'));
  socketPath = join(directory, 'dataplane.sock');
  const proxy = [options]
    .flat()
    .find((one) => typeof one === 'object' && String(one.entry).includes('felix-api-proxy'));
  if (typeof proxy !== 'object') throw new Error('the build has no felix-api-proxy');
  await build({
    ...proxy,
    entry: [join(import.meta.dirname, 'felix-api-proxy.ts')],
    outDir: directory,
    silent: true,
    config: false,
  });
});
afterAll(() => rmSync(directory, { recursive: true }));

beforeEach(() => {
  agent = undefined;
  children = [];
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  agent?.destroy();
  await new Promise((resolve) => (server?.listening ? server.close(resolve) : resolve(undefined)));
});

async function listen(): Promise<void> {
  server = createServer({ allowHalfOpen: true }, (socket) => {
    agent = socket;
    server.emit('agent');
  });
  server.listen(socketPath);
  await once(server, 'listening');
}

interface Proxy {
  readonly toProxy: Writable;
  readonly fromProxy: Readable;
  /** Exit code and what it said. */
  readonly ended: Promise<string>;
}

function start(env: Record<string, string> = {}): Proxy {
  const child = spawn(process.execPath, [join(directory, 'felix-api-proxy.js')], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, FELIX_API_PROXY_SOCKET: socketPath, ...env },
  });
  children.push(child);
  const [, , stderr, toProxy, fromProxy] = child.stdio;
  if (!isWritable(toProxy) || !isReadable(fromProxy) || !isReadable(stderr)) throw new Error('no pipes');
  const said: Buffer[] = [];
  stderr.on('data', (chunk: Buffer) => said.push(chunk));
  toProxy.on('error', () => {});
  const ended = once(child, 'close').then(([code]) => `${code} ${Buffer.concat(said).toString().trim()}`);
  return { toProxy, fromProxy, ended };
}

const isWritable = (stream: unknown): stream is Writable =>
  typeof stream === 'object' && stream !== null && 'write' in stream;
const isReadable = (stream: unknown): stream is Readable =>
  typeof stream === 'object' && stream !== null && 'read' in stream;

async function connected(): Promise<Socket> {
  if (agent === undefined) await once(server, 'agent');
  if (agent === undefined) throw new Error('nobody has connected');
  return agent;
}

async function readAll(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('felix-api-proxy', () => {
  it('copies both ways, byte by byte, and ends with Felix', async () => {
    await listen();
    const { toProxy, fromProxy, ended } = start();
    const socket = await connected();
    const said = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => i % 251));
    const heard = readAll(socket);
    toProxy.write(said);
    socket.write('answer');
    const [answer] = await once(fromProxy, 'data');
    expect(String(answer)).toBe('answer');
    toProxy.end('last words');
    expect(Buffer.compare(await heard, Buffer.concat([said, Buffer.from('last words')]))).toBe(0);
    expect(await ended).toBe('0 felix-api-proxy: Felix has ended');
  });

  it('ends with infra-agent, and delivers what that has said', async () => {
    await listen();
    const { fromProxy, ended } = start();
    const heard = readAll(fromProxy);
    const socket = await connected();
    socket.resume();
    socket.end('last words');
    expect((await heard).toString()).toBe('last words');
    expect(await ended).toBe('0 felix-api-proxy: infra-agent has ended');
  });

  it('reads no faster than infra-agent does', async () => {
    await listen();
    const { toProxy } = start();
    const socket = await connected();
    socket.pause();
    const chunk = Buffer.alloc(1024 * 1024);
    for (let i = 0; i < 64; i++) toProxy.write(chunk);
    await sleep(1000);
    expect(toProxy.writableLength).toBeGreaterThan(48 * chunk.length);
  });

  it('waits for infra-agent to start', async () => {
    const { toProxy } = start();
    toProxy.write('first');
    await sleep(700);
    await listen();
    const [chunk] = await once(await connected(), 'data');
    expect(String(chunk)).toBe('first');
  });

  it('says what is wrong when it is not started by Felix', async () => {
    const child = spawn(process.execPath, [join(directory, 'felix-api-proxy.js')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    children.push(child);
    const said = readAll(child.stderr);
    const [code] = await once(child, 'close');
    expect([code, (await said).toString()]).toEqual([
      1,
      expect.stringMatching(/^felix-api-proxy: descriptor 3 is no pipe: Felix starts this program/),
    ]);
  });
});
