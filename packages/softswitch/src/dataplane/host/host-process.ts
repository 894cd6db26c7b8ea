import { Listeners } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import type { Logger } from '../../logger.js';
import { BlockingChannel } from './blocking-channel.js';
import { Channel } from './channel.js';
import type { Host } from './host.js';
import type { HostHandle } from './host-program.js';
import {
  type Description,
  type Greeting,
  HostEvent,
  helloBody,
  Operation,
  readDescription,
  readGreeting,
} from './protocol.js';
import type { Sockets } from './sockets.js';
import type { ByteReader } from './wire.js';

const STOP_MS = 2_000;
/** How often the host is asked whether it still answers, if nothing else is, and how long an answer may take. */
const PING_MS = 1_000;
const LIMIT_MS = 5_000;
/** The same for what may take time: a commit that builds large tables. */
const SLOW_LIMIT_MS = 60_000;
const SLOW: ReadonlySet<Operation> = new Set([Operation.BATCH, Operation.COMMIT, Operation.REPLAY]);
const GONE_POLL_MS = 5;
const NOTHING = new Uint8Array(0);

export interface HostProcessOptions {
  readonly handle: HostHandle;
  /** Nobody can find it again: it ends when it is left. */
  readonly temporary?: boolean;
  /** What it has said last, when it has ended. */
  readonly reasonOf?: () => string;
  readonly logger?: Logger;
}

/**
 * A data plane host in a process of its own, with a connection for requests that take time and one for those that must
 * not. A host that does not answer any more is killed.
 */
export class HostProcess implements Host {
  readonly #channel: Channel;
  readonly #blocking: BlockingChannel;
  readonly #options: HostProcessOptions;
  readonly ended: Promise<string>;
  readonly #listeners = new Listeners<[port: number]>();
  readonly #watchdog: NodeJS.Timeout;
  #why: string | undefined;
  #overdue = 0;
  #left = false;

  private constructor(
    readonly greeting: Greeting,
    readonly description: Description,
    channel: Channel,
    blocking: BlockingChannel,
    options: HostProcessOptions,
  ) {
    this.#channel = channel;
    this.#blocking = blocking;
    this.#options = options;
    const closed = new Promise<void>((resolve) => channel.onClose(resolve));
    const { handle, reasonOf = () => '', logger } = options;
    this.ended = closed.then(async () => {
      clearInterval(this.#watchdog);
      blocking.close();
      if (this.#left) return 'this process has left it';
      // Whoever has hung up is of no use any more, also if it lives.
      await this.#gone();
      return [this.#why ?? (await handle.exit)?.how ?? 'it ended', reasonOf()]
        .filter((text) => text !== '')
        .join(': ');
    });
    channel.onEvent((event, body) => this.#event(event, body));
    const guard = new Guard((error) => logger?.error({ err: error }, 'internal error'));
    this.#watchdog = setInterval(
      guard.handler(() => this.#watch()),
      PING_MS,
    );
    this.#watchdog.unref();
  }

  /** Connects to a host that listens and speaks this version of the protocol. */
  static async connect(sockets: Sockets, path: string, options: HostProcessOptions): Promise<HostProcess> {
    const channel = await Channel.open(path);
    try {
      const greeting = readGreeting(await channel.request(Operation.HELLO, helloBody()));
      const description = readDescription(await channel.request(Operation.DESCRIBE, NOTHING));
      const blocking = BlockingChannel.open(sockets, path);
      blocking.greet();
      return new HostProcess(greeting, description, channel, blocking, options);
    } catch (error) {
      channel.close();
      throw error;
    }
  }

  request(operation: Operation, body: Uint8Array = NOTHING): Promise<ByteReader> {
    return this.#channel.request(operation, body);
  }

  requestNow(operation: Operation, body: Uint8Array = NOTHING, descriptor?: number): ByteReader {
    return this.#blocking.request(operation, body, descriptor);
  }

  onPortLost(listener: (port: number) => void): void {
    this.#listeners.add(listener);
    // It tells of those that are lost already, too.
    this.request(Operation.WATCH).catch(() => undefined);
  }

  async stop(): Promise<void> {
    // A host that hangs does not answer; one that is in another container cannot be sent signals.
    const asked = this.request(Operation.STOP).catch(() => undefined);
    const guard = new Guard((error) => this.#options.logger?.error({ err: error }, 'internal error'));
    const timer = setTimeout(
      guard.handler(() => this.#options.handle.kill()),
      STOP_MS,
    );
    await asked;
    await this.ended;
    clearTimeout(timer);
  }

  leave(): void {
    if (this.#options.temporary) {
      new Guard().run(() => this.stop());
      return;
    }
    this.#left = true;
    this.#channel.close();
  }

  #event(event: number, body: ByteReader): void {
    if (event !== HostEvent.PORT_LOST) return;
    const port = body.u16();
    this.#listeners.emit(port);
  }

  #watch(): void {
    const { outstanding } = this.#channel;
    if (outstanding === undefined) {
      this.#overdue = 0;
      this.request(Operation.PING).catch(() => undefined);
      return;
    }
    const { operation, milliseconds } = outstanding;
    const limit = SLOW.has(operation) ? SLOW_LIMIT_MS : LIMIT_MS;
    // Twice, because this process may have been stopped itself, with the answer waiting to be read.
    this.#overdue = milliseconds > limit ? this.#overdue + 1 : 0;
    if (this.#overdue < 2) return;
    this.#why = `it did not answer for ${milliseconds} ms and was killed`;
    this.#options.logger?.error({ pid: this.greeting.pid, milliseconds }, 'the data plane hangs: killing it');
    this.#options.handle.kill();
    this.#channel.close();
  }

  async #gone(): Promise<void> {
    const { handle } = this.#options;
    const deadline = performance.now() + STOP_MS;
    for (let killed = false; handle.isAlive(); ) {
      await new Promise((resolve) => setTimeout(resolve, GONE_POLL_MS));
      if (killed || performance.now() < deadline) continue;
      killed = true;
      handle.kill();
      // One that nobody waits for stays as a zombie: it holds nothing any more.
      await new Promise((resolve) => setTimeout(resolve, GONE_POLL_MS));
      return;
    }
  }
}
