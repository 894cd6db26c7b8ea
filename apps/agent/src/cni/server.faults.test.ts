import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { faultTest, mutateJson, mutateText, type Random } from '@infra-offload/faults';
import { LogLevels } from '@infra-offload/service';
import { afterAll, beforeAll, expect } from 'vitest';
import { createLoggers } from '../log.js';
import { CniServer } from './server.js';

const directory = mkdtempSync(join(tmpdir(), 'infra-agent-faults-'));
const socketPath = join(directory, 'cni.sock');
let server: CniServer;

beforeAll(async () => {
  // Without an attacher: what is read without fault is told to come again.
  const loggers = createLoggers({ level: 'silent', modules: {} });
  server = await CniServer.start({ socketPath, logger: loggers.cni, levels: new LogLevels(loggers) });
});
afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true });
});

const key = { containerId: 'c1', ifname: 'eth0' };
const requests = {
  prepare: { ...key, netns: '/x' },
  attach: {
    ...key,
    netns: '/x',
    network: 'pods',
    pod: { namespace: 'shop', name: 'cart' },
    address: '10.0.0.1',
    mtu: 1400,
    routes: [{ dst: '0.0.0.0/0', gw: '10.0.0.254', priority: 5 }],
  },
  detach: key,
  check: { ...key, netns: '/x', mac: '02:00:00:00:00:01', addresses: ['10.0.0.1'] },
  garbage: { network: 'pods', valid: [key] },
  status: {},
};

function post(path: string, body: string | Buffer): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, path, method: 'POST', agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
      );
    });
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

/** What is no HTTP, or the beginning of a request that never comes to its end. */
function sendRaw(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(socketPath, () => socket.end(bytes));
    socket.on('error', () => {});
    socket.resume();
    socket.once('close', () => resolve());
  });
}

function bodyOf(random: Random, body: (typeof requests)[keyof typeof requests]): string | Buffer {
  if (random.chance(5)) return Buffer.from(random.bytes(random.below(200)));
  const text = JSON.stringify(mutateJson(random, body));
  return random.chance(40) ? mutateText(random, text) : text;
}

faultTest(
  {
    fault: "requests on the agent's CNI socket, changed and damaged; bytes that are no HTTP",
    promise: 'each is answered with a CNI error other than 999, and the next honest one is served',
    sample: 300,
  },
  async ({ cases, random }) => {
    const codes = new Map<number, number>();
    const names = Object.keys(requests) as readonly (keyof typeof requests)[];
    for (let i = 0; i < cases; i++) {
      if (random.chance(10)) {
        const head = random.chance(50)
          ? 'POST /v1/attach HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{'
          : '';
        await sendRaw(Buffer.concat([Buffer.from(head), random.bytes(random.below(100))]));
        continue;
      }
      const name = random.pick(names);
      const body = bodyOf(random, requests[name]);
      const { status, text } = await post(`/v1/${name}`, body);
      const what = `case ${i}: ${name} ${String(body).slice(0, 500)} gave ${status} ${text.slice(0, 500)}`;
      const { code } = JSON.parse(text);
      expect([4, 6, 7, 11], what).toContain(code);
      expect(text.length, what).toBeLessThan(5_000);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    expect(await post('/v1/status', '{}')).toMatchObject({ status: 503 });
    return `codes ${[...codes].map(([code, count]) => `${code}: ${count}`).join(', ')}`;
  },
);
