import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { faultTest, type Random } from '@infra-offload/faults';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { engineFromSource } from '../../testing/engine.js';
import { smallArtifacts } from '../../testing/forwarding.js';
import { damaged, harmless, hostileMessage } from '../../testing/hostile-messages.js';
import { dpdkInstalled, dpdkProgram, swxHost } from '../../testing/swx-host.js';
import { Channel } from './channel.js';
import type { HostProgram } from './host-program.js';
import { encodeRequest, helloBody, Operation } from './protocol.js';
import { readStatistics } from './statistics.js';

const NOTHING = new Uint8Array(0);
/** Messages between two looks whether the host serves an honest client. */
const ROUND = 50;
const HELLO = encodeRequest(0, Operation.HELLO, helloBody());

const HOSTS: readonly (readonly [string, () => HostProgram])[] = [
  ['swx-engine', engineFromSource],
  // With sanitizers, which end it for whatever it does wrong.
  ...(dpdkInstalled
    ? ([['swx-host', () => dpdkProgram(['--ports', '8', '--memory', '768'], swxHost('asan'))]] as const)
    : []),
];

describe.each(HOSTS)('the control socket of %s', (name, programOf) => {
  const directory = mkdtempSync(join(tmpdir(), 'hostile-'));
  const socket = join(directory, 'control');
  const spec = join(directory, 'small.spec');
  let host: ChildProcess;
  let said = '';

  beforeAll(async () => {
    writeFileSync(spec, smallArtifacts.spec);
    const { command, args } = programOf();
    host = spawn(command, [...args, '--spec', spec, '--socket', socket], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ASAN_OPTIONS: 'detect_leaks=0' },
    });
    host.stderr?.on('data', (text) => {
      said += text;
    });
    if (host.stdout !== null) await once(host.stdout, 'data');
  }, 300_000);

  afterAll(async () => {
    if (host.exitCode === null && host.kill('SIGTERM')) await once(host, 'exit');
    rmSync(directory, { recursive: true });
  });

  async function greeted(): Promise<Channel> {
    const channel = await Channel.open(socket);
    await channel.request(Operation.HELLO, helloBody());
    return channel;
  }

  /** An honest client is answered. */
  async function serves(): Promise<void> {
    expect(host.exitCode ?? host.signalCode, said).toBeNull();
    const channel = await greeted();
    const { tables } = readStatistics(await channel.request(Operation.STATISTICS, NOTHING));
    expect(tables).toHaveLength(5);
    channel.close();
  }

  faultTest(
    {
      fault: `hostile messages to ${name}, of the right form or almost`,
      promise: 'each is answered or refused; it runs on and serves others',
      sample: 1_500,
    },
    async ({ cases, random }) => {
      const refusals = new Set<string>();
      for (let done = 0; done < cases; done += ROUND) {
        const channel = await greeted();
        const answers = Array.from({ length: Math.min(ROUND, cases - done) }, () => {
          const { operation, body } = hostileMessage(random);
          return channel
            .request(operation as Operation, body)
            .catch((error: Error) => refusals.add(error.message.replace(/\d+/g, 'N')));
        });
        await Promise.all(answers);
        channel.close();
        await serves();
      }
      return `${refusals.size} kinds of refusal, runs on`;
    },
  );

  faultTest(
    {
      fault: `bytes that are no messages, and messages in pieces, at ${name}`,
      promise: 'whoever sends them is hung up on or answered; it runs on and serves others',
      sample: 300,
    },
    async ({ cases, random }) => {
      for (let done = 0; done < cases; done += ROUND) {
        for (let i = Math.min(ROUND, cases - done); i > 0; i--) await throwBytes(random);
        await serves();
      }
      return 'runs on';
    },
  );

  /** Sends something, in pieces, and goes. */
  async function throwBytes(random: Random): Promise<void> {
    const messages = Array.from({ length: 1 + random.below(4) }, (_, i) => {
      const { operation, body } = hostileMessage(random);
      return encodeRequest(i, operation as Operation, body);
    });
    const whole = Buffer.concat([...(random.chance(70) ? [HELLO] : []), ...messages]);
    const bytes = harmless(
      random.chance(60) ? damaged(random, whole) : random.chance(50) ? random.bytes(64) : whole,
    );
    const client = connect(socket);
    client.on('error', () => undefined);
    client.resume();
    await once(client, 'connect');
    for (let at = 0; at < bytes.length; ) {
      const end = at + 1 + random.below(random.chance(50) ? 8 : 4096);
      await new Promise((resolve) => client.write(bytes.subarray(at, end), resolve));
      at = end;
    }
    client.destroy();
  }
});
