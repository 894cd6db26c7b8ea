import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import { SoftswitchError } from '../../errors.js';
import type { Logger } from '../../logger.js';
import type { TapLeft } from '../../ports/tap.js';
import { BlockingChannel } from './blocking-channel.js';
import { Channel } from './channel.js';
import type { Host, HostSource } from './host.js';
import { exitOf, HostProcess, type HostProcessOptions, isAlive } from './host-process.js';
import {
  type Greeting,
  type HostKind,
  helloBody,
  Operation,
  PortKind,
  PROTOCOL_VERSION,
  readGreeting,
  readPorts,
} from './protocol.js';
import { RunDirectory } from './run-directory.js';
import { loadSockets, type Sockets } from './sockets.js';
import { ByteWriter } from './wire.js';

/** How long a host may take to start; DPDK clears its memory first, and a program may have to be compiled. */
const START_MS = 60_000;
const CONNECT_POLL_MS = 5;
/** Exit status when the host refuses the program. */
const EXIT_REFUSED = 2;
/** Lines of the host's log that tell why it ended. */
const REASON_LINES = 20;
const STOP_MS = 2_000;

export interface HostProgram {
  readonly kind: HostKind;
  /** What hosts of the kind are called in messages. */
  readonly name: string;
  readonly command: string;
  /** More arguments: `--ports`, `--memory`, `--huge`, … */
  readonly args: readonly string[];
}

export interface HostProcessesOptions {
  /** Where the socket, the log and the lock are. A temporary one, and hosts that nobody finds again, if left out. */
  readonly directory?: string;
  readonly logger?: Logger;
}

/**
 * Hosts as processes that outlive this one. A run directory has one host at most, and one switch at most that controls it;
 * whoever comes next finds the host there, with its program, tables and ports.
 */
export class HostProcesses implements HostSource {
  readonly #program: HostProgram;
  readonly #sockets: Sockets;
  readonly #directory: RunDirectory;
  readonly #temporary: boolean;
  readonly steadyRules: boolean;
  readonly inProcess = undefined;
  #left: HostProcess | undefined;
  #leftPorts: TapLeft[] = [];
  #found = false;

  readonly #logger: Logger | undefined;

  private constructor(
    program: HostProgram,
    sockets: Sockets,
    directory: RunDirectory,
    temporary: boolean,
    logger: Logger | undefined,
  ) {
    this.#logger = logger;
    this.#program = program;
    this.#sockets = sockets;
    this.#directory = directory;
    this.#temporary = temporary;
    this.steadyRules = program.kind === 'engine';
  }

  /**
   * Takes the run directory and looks for a host there. One of another kind or version, or one that was not made ready, is
   * ended; its ports are kept in any case. UNAVAILABLE if the directory cannot be had, or is another's.
   */
  static async open(program: HostProgram, options: HostProcessesOptions = {}): Promise<HostProcesses> {
    const sockets = await loadSockets();
    const path = options.directory ?? (await mkdtemp(join(tmpdir(), 'softswitch-')));
    const directory = await RunDirectory.take(sockets, path);
    const temporary = options.directory === undefined;
    const source = new HostProcesses(program, sockets, directory, temporary, options.logger);
    try {
      await source.#find();
      return source;
    } catch (error) {
      directory.release();
      throw error;
    }
  }

  get name(): string {
    return this.#program.name;
  }

  get left(): Host | undefined {
    return this.#left;
  }

  /** A host was running already, whether it could be gone on with or not. */
  get found(): boolean {
    return this.#found;
  }

  /** The TAP devices that a host has had since before; their descriptors are the caller's. */
  takePorts(): TapLeft[] {
    return this.#leftPorts.splice(0);
  }

  async start(spec: string): Promise<Host> {
    const { command, args, name } = this.#program;
    const { socket, specFile, logFile } = this.#directory;
    await writeFile(specFile, spec, { mode: 0o600 });
    await rm(socket, { force: true });
    const log = openSync(logFile, 'w', 0o600);
    // In a session of its own, with a file to write to: nothing of it ends with this process.
    const child = spawn(command, [...args, '--spec', specFile, '--socket', socket], {
      detached: true,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    child.unref();
    try {
      await listening(child, socket, name, () => this.#reason());
      return await this.#connect({ child, temporary: this.#temporary });
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  async close(): Promise<void> {
    for (const { descriptor } of this.takePorts()) this.#sockets.close(descriptor);
    this.#directory.release();
    if (this.#temporary) await rm(this.#directory.path, { recursive: true, force: true });
  }

  async #find(): Promise<void> {
    const { socket } = this.#directory;
    if (!existsSync(socket)) return;
    let channel: BlockingChannel;
    try {
      channel = BlockingChannel.open(this.#sockets, socket);
    } catch (error) {
      this.#logger?.debug({ reason: messageOf(error) }, 'no data plane listens any more');
      return;
    }
    this.#found = true;
    const { peer } = channel;
    const unfit = this.#takeOver(channel);
    if (unfit === undefined) {
      this.#left = await this.#connect({});
      const { ended } = this.#left;
      new Guard().run(async () => {
        await ended;
        this.#left = undefined;
      });
    } else {
      this.#logger?.warn(
        { pid: peer, reason: unfit, ports: this.#leftPorts.length },
        'the data plane that runs cannot be gone on with: ending it; packets pause until there is another',
      );
      await this.#end(channel, peer);
    }
    channel.close();
  }

  #connect(options: HostProcessOptions): Promise<HostProcess> {
    const logger = this.#logger;
    return HostProcess.connect(this.#sockets, this.#directory.socket, {
      reasonOf: () => this.#reason(),
      ...(logger !== undefined && { logger }),
      ...options,
    });
  }

  /** Takes the ports; tells why the host cannot be gone on with, if so. */
  #takeOver(channel: BlockingChannel): string | undefined {
    try {
      const { version, kind, started } = readGreeting(channel.greet());
      this.#leftPorts = takePorts(channel);
      if (version !== PROTOCOL_VERSION)
        return `it speaks version ${version}, this softswitch ${PROTOCOL_VERSION}`;
      if (kind !== this.#program.kind) return `it is of the kind ${kind}, not ${this.#program.kind}`;
      return started ? undefined : 'it was not made ready';
    } catch (error) {
      return messageOf(error);
    }
  }

  /** By its own means, or else by force. */
  async #end(channel: BlockingChannel, pid: number): Promise<void> {
    try {
      channel.request(Operation.STOP, new Uint8Array(0));
    } catch (error) {
      this.#logger?.debug({ pid, reason: messageOf(error) }, 'the data plane does not take STOP');
      signal(pid, 'SIGTERM');
    }
    const deadline = performance.now() + STOP_MS;
    while (isAlive(pid)) {
      if (performance.now() > deadline) {
        signal(pid, 'SIGKILL');
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, CONNECT_POLL_MS));
    }
  }

  #reason(): string {
    try {
      const lines = readFileSync(this.#directory.logFile, 'utf8').trimEnd().split('\n');
      // The line that says that all is well is none of them.
      return lines
        .filter((line) => !/^\S+ ready: /.test(line))
        .slice(-REASON_LINES)
        .join('; ');
    } catch {
      return '';
    }
  }
}

function takePorts(channel: BlockingChannel): TapLeft[] {
  return readPorts(channel.request(Operation.LIST_PORTS, new Uint8Array(0)))
    .filter(({ kind }) => kind === PortKind.DESCRIPTOR)
    .map(({ number, name, mtu }) => {
      channel.request(Operation.TAKE_PORT, new ByteWriter().u16(number).view());
      return { number, name, mtu, descriptor: channel.takeDescriptor() };
    });
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It is gone.
  }
}

/** Waits until the host can be connected to. */
async function listening(
  child: ChildProcess,
  socket: string,
  name: string,
  reasonOf: () => string,
): Promise<void> {
  const failed = (why: string): SoftswitchError => {
    const code = child.exitCode === EXIT_REFUSED ? 'INVALID_ARGUMENT' : 'UNAVAILABLE';
    return new SoftswitchError(code, `${name} does not start: ${why}`);
  };
  let ended: string | undefined;
  child.once('error', (error) => {
    ended = `cannot run ${child.spawnfile}: ${messageOf(error)}`;
  });
  new Guard().run(async () => {
    const how = await exitOf(child);
    ended ??= [how, reasonOf()].filter((text) => text !== '').join(': ');
  });
  const deadline = performance.now() + START_MS;
  while (!(await takesConnections(socket))) {
    if (ended !== undefined) throw failed(ended);
    if (performance.now() > deadline) throw failed(`not ready within ${START_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, CONNECT_POLL_MS));
  }
}

async function takesConnections(socket: string): Promise<boolean> {
  if (!existsSync(socket)) return false;
  return await Channel.open(socket).then(
    (channel) => {
      channel.close();
      return true;
    },
    () => false,
  );
}

/** Ends the data plane that a softswitch has left. UNAVAILABLE if that one still runs. False if there is none. */
export async function stopLeft(directory: string): Promise<boolean> {
  if (!existsSync(directory)) return false;
  const program: HostProgram = { kind: 'engine', name: 'the data plane', command: '', args: [] };
  const source = await HostProcesses.open(program, { directory });
  await source.left?.stop();
  await source.close();
  return source.found;
}

/** What the data plane of a run directory says of itself, whoever controls it; undefined if there is none. */
export async function greetingOf(directory: string): Promise<Greeting | undefined> {
  const channel = await Channel.open(RunDirectory.socketOf(directory)).catch(() => undefined);
  if (channel === undefined) return undefined;
  try {
    return readGreeting(await channel.request(Operation.HELLO, helloBody()));
  } finally {
    channel.close();
  }
}
