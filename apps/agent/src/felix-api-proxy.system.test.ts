import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildFelixProxy, FelixDriver } from './testing/fake-felix.js';

/** The program as it is installed, started as Felix starts it: with descriptors 3 and 4. */
let directory: string;
let program: string;
let socketPath: string;
let server: Server;
let agent: Socket | undefined;
let drivers: Pick<FelixDriver, 'kill'>[];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'felix-proxy-'));
  socketPath = join(directory, 'dataplane.sock');
  program = await buildFelixProxy(directory);
});
afterAll(() => rmSync(directory, { recursive: true }));

beforeEach(() => {
  agent = undefined;
  drivers = [];
});
afterEach(async () => {
  for (const driver of drivers) driver.kill();
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

function start(): FelixDriver {
  const driver = new FelixDriver(program, socketPath);
  drivers.push(driver);
  return driver;
}

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
    const { toDriver, fromDriver, ended } = start();
    const socket = await connected();
    const said = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => i % 251));
    const heard = readAll(socket);
    toDriver.write(said);
    socket.write('answer');
    const [answer] = await once(fromDriver, 'data');
    expect(String(answer)).toBe('answer');
    toDriver.end('last words');
    expect(Buffer.compare(await heard, Buffer.concat([said, Buffer.from('last words')]))).toBe(0);
    expect(await ended).toBe('0 felix-api-proxy: Felix has ended');
  });

  it('ends with infra-agent, and delivers what that has said', async () => {
    await listen();
    const { fromDriver, ended } = start();
    const heard = readAll(fromDriver);
    const socket = await connected();
    socket.resume();
    socket.end('last words');
    expect((await heard).toString()).toBe('last words');
    expect(await ended).toBe('0 felix-api-proxy: infra-agent has ended');
  });

  it('reads no faster than infra-agent does', async () => {
    await listen();
    const { toDriver } = start();
    const socket = await connected();
    socket.pause();
    const chunk = Buffer.alloc(1024 * 1024);
    for (let i = 0; i < 64; i++) toDriver.write(chunk);
    await sleep(1000);
    expect(toDriver.writableLength).toBeGreaterThan(48 * chunk.length);
  });

  it('waits for infra-agent to start', async () => {
    const { toDriver } = start();
    toDriver.write('first');
    await sleep(700);
    await listen();
    const [chunk] = await once(await connected(), 'data');
    expect(String(chunk)).toBe('first');
  });

  it('says what is wrong when it is not started by Felix', async () => {
    const child = spawn(process.execPath, [program], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    drivers.push({ kill: () => child.kill() });
    const said = readAll(child.stderr);
    const [code] = await once(child, 'close');
    expect([code, (await said).toString()]).toEqual([
      1,
      expect.stringMatching(/^felix-api-proxy: descriptor 3 is not a pipe: Felix starts this program/),
    ]);
  });
});
