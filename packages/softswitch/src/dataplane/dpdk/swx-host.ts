import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { messageOf, SoftswitchError } from '../../errors.js';
import type { Logger } from '../../logger.js';
import { BlockingChannel } from './blocking-channel.js';
import { Channel } from './channel.js';
import {
  type Description,
  type Greeting,
  helloBody,
  Operation,
  readDescription,
  readGreeting,
} from './protocol.js';
import type { ByteReader } from './wire.js';

/** How long DPDK may take to start; it clears its memory first. */
const START_MS = 30_000;
const STOP_MS = 2_000;
/** Exit status when DPDK refuses the program. */
const EXIT_REFUSED = 2;
/** Lines of the host's messages that are kept to tell why it ended. */
const MESSAGE_LINES = 20;

export interface SwxHostOptions {
  /** The program `swx-host` (tools/swx-host). */
  readonly binary: string;
  /** More arguments for it: `--ports`, `--memory`, `--huge`, … */
  readonly args?: readonly string[];
  readonly logger?: Logger;
}

/** One run of swx-host, with a connection for requests that take time and one for those that must not. */
export class SwxHost {
  /** Settles when the process is gone, with the reason. */
  readonly ended: Promise<string>;

  private constructor(
    private readonly child: ChildProcessByStdio<null, Readable, Readable>,
    readonly greeting: Greeting,
    readonly description: Description,
    private readonly channel: Channel,
    private readonly blocking: BlockingChannel,
    ended: Promise<string>,
    private readonly onPortLost: Set<(port: number) => void>,
  ) {
    this.ended = ended;
  }

  /** Starts the program `spec`. UNAVAILABLE if it does not come up, INVALID_ARGUMENT if DPDK refuses the program. */
  static async start(spec: string, options: SwxHostOptions): Promise<SwxHost> {
    const directory = await mkdtemp(join(tmpdir(), 'swx-host-'));
    const file = join(directory, 'pipeline.spec');
    const socket = join(directory, 'control');
    const cleanUp = (): Promise<void> => rm(directory, { recursive: true, force: true });
    try {
      await writeFile(file, spec);
      return await launch(file, socket, options, cleanUp);
    } catch (error) {
      await cleanUp();
      throw error;
    }
  }

  get pid(): number {
    return this.greeting.pid;
  }

  request(operation: Operation, body: Uint8Array = new Uint8Array(0)): Promise<ByteReader> {
    return this.channel.request(operation, body);
  }

  /** Holds up this process until the answer is there. */
  requestNow(operation: Operation, body: Uint8Array = new Uint8Array(0), descriptor?: number): ByteReader {
    return this.blocking.request(operation, body, descriptor);
  }

  /** Tells when the device of a port is gone. */
  portLost(listener: (port: number) => void): void {
    this.onPortLost.add(listener);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    await this.ended;
    clearTimeout(timer);
  }

  /** @internal */
  static async connect(
    child: ChildProcessByStdio<null, Readable, Readable>,
    socket: string,
    ended: Promise<string>,
    onPortLost: Set<(port: number) => void>,
  ): Promise<SwxHost> {
    const channel = await Channel.open(socket);
    const greeting = readGreeting(await channel.request(Operation.HELLO, helloBody()));
    const description = readDescription(await channel.request(Operation.DESCRIBE, new Uint8Array(0)));
    const blocking = await BlockingChannel.open(socket);
    const closed = ended.then((reason) => {
      channel.close();
      blocking.close();
      return reason;
    });
    return new SwxHost(child, greeting, description, channel, blocking, closed, onPortLost);
  }
}

async function launch(
  file: string,
  socket: string,
  { binary, args = [], logger }: SwxHostOptions,
  cleanUp: () => Promise<void>,
): Promise<SwxHost> {
  const child = spawn(binary, ['--spec', file, '--socket', socket, '--die-with-parent', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const messages: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    messages.push(line);
    if (messages.length > MESSAGE_LINES) messages.shift();
    logger?.info({ line }, 'swx-host');
  });
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`cannot run ${binary}: ${messageOf(error)}`));
    child.once('close', (code, signal) =>
      resolve(
        `it ended with ${signal ?? `code ${code}`}${messages.length > 0 ? `: ${messages.join('; ')}` : ''}`,
      ),
    );
  }).then(async (reason) => {
    await cleanUp();
    return reason;
  });
  const onPortLost = new Set<(port: number) => void>();
  await ready(child, ended, onPortLost);
  try {
    return await SwxHost.connect(child, socket, ended, onPortLost);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

/** Waits for the line that says that the host can be connected to, and goes on to read what it tells. */
async function ready(
  child: ChildProcessByStdio<null, Readable, Readable>,
  ended: Promise<string>,
  onPortLost: ReadonlySet<(port: number) => void>,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      const failed = (why: string): void => {
        const code = child.exitCode === EXIT_REFUSED ? 'INVALID_ARGUMENT' : 'UNAVAILABLE';
        reject(new SoftswitchError(code, `swx-host does not start: ${why}`));
      };
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line.startsWith('swx-host ready')) resolve();
        const lostPort = /^swx-host port-lost (\d+)$/.exec(line)?.[1];
        if (lostPort !== undefined) for (const listener of onPortLost) listener(Number(lostPort));
      });
      timer = setTimeout(() => {
        child.kill('SIGKILL');
        failed(`not ready within ${START_MS} ms`);
      }, START_MS);
      ended.then(failed, reject);
    });
  } finally {
    clearTimeout(timer);
  }
}
