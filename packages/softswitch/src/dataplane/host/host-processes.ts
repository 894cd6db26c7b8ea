import { existsSync } from 'node:fs';
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
import { HostProcess, type HostProcessOptions } from './host-process.js';
import {
  type HostHandle,
  type HostProgram,
  handleOfChild,
  handleOfProcess,
  lastWords,
  spawnHost,
} from './host-program.js';
import { startKept, watchKept } from './kept-host.js';
import {
  type Greeting,
  helloBody,
  Operation,
  PortKind,
  PROTOCOL_VERSION,
  readGreeting,
  readPorts,
} from './protocol.js';
import { RunDirectory, runFiles } from './run-directory.js';
import { loadSockets, type Sockets } from './sockets.js';
import { ByteWriter } from './wire.js';

/** How long a host may take to start; DPDK clears its memory first, and a program may have to be compiled. */
const START_MS = 60_000;
const CONNECT_POLL_MS = 5;
const STOP_MS = 2_000;

export interface HostProcessesOptions {
  /** Where the socket, the log and the lock are. A temporary one, and hosts that nobody finds again, if left out. */
  readonly directory?: string;
  /** Hosts are started by a {@link HostKeeper} in the directory, not by this process. */
  readonly kept?: boolean;
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
  readonly #kept: boolean;
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
    { directory: path, kept = false, logger }: HostProcessesOptions,
  ) {
    this.#logger = logger;
    this.#program = program;
    this.#sockets = sockets;
    this.#directory = directory;
    this.#temporary = path === undefined;
    this.#kept = kept;
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
    const source = new HostProcesses(program, sockets, directory, options);
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
    const { files } = this.#directory;
    await writeFile(files.specFile, spec, { mode: 0o600 });
    await rm(files.socket, { force: true });
    const handle = this.#kept ? await startKept(files) : this.#spawn();
    try {
      await listening(handle, files.socket, this.name, () => lastWords(files));
      return await this.#connect({ handle, temporary: this.#temporary });
    } catch (error) {
      handle.kill();
      throw error;
    }
  }

  async close(): Promise<void> {
    for (const { descriptor } of this.takePorts()) this.#sockets.close(descriptor);
    this.#directory.release();
    if (this.#temporary) await rm(this.#directory.path, { recursive: true, force: true });
  }

  #spawn(): HostHandle {
    const child = spawnHost(this.#program, this.#directory.files);
    child.unref();
    return handleOfChild(child);
  }

  async #find(): Promise<void> {
    const { files } = this.#directory;
    const { socket } = files;
    if (!existsSync(socket)) return;
    let channel: BlockingChannel;
    try {
      channel = BlockingChannel.open(this.#sockets, socket);
    } catch (error) {
      this.#logger?.debug({ reason: messageOf(error) }, 'no data plane listens any more');
      return;
    }
    this.#found = true;
    const handle = this.#kept ? await watchKept(files) : handleOfProcess(channel.peer);
    const unfit = this.#takeOver(channel);
    if (unfit === undefined) {
      this.#left = await this.#connect({ handle });
      const { ended } = this.#left;
      new Guard().run(async () => {
        await ended;
        this.#left = undefined;
      });
    } else {
      this.#logger?.warn(
        { reason: unfit, ports: this.#leftPorts.length },
        'the running data plane cannot be taken over: ending it; packets pause until there is another',
      );
      await this.#end(channel, handle);
    }
    channel.close();
  }

  #connect(options: HostProcessOptions): Promise<HostProcess> {
    const logger = this.#logger;
    const { files } = this.#directory;
    return HostProcess.connect(this.#sockets, files.socket, {
      reasonOf: () => lastWords(files),
      ...(logger !== undefined && { logger }),
      ...options,
    });
  }

  /** Takes the ports; tells why the host cannot be taken over, if so. */
  #takeOver(channel: BlockingChannel): string | undefined {
    try {
      const { version, kind, started } = readGreeting(channel.greet());
      this.#leftPorts = takePorts(channel);
      if (version !== PROTOCOL_VERSION)
        return `it speaks version ${version}, this softswitch ${PROTOCOL_VERSION}`;
      if (kind !== this.#program.kind) return `it is of the kind ${kind}, not ${this.#program.kind}`;
      return started ? undefined : 'it was not prepared';
    } catch (error) {
      return messageOf(error);
    }
  }

  /** By its own means, or else by force. */
  async #end(channel: BlockingChannel, handle: HostHandle): Promise<void> {
    try {
      channel.request(Operation.STOP, new Uint8Array(0));
    } catch (error) {
      this.#logger?.debug({ reason: messageOf(error) }, 'the data plane does not accept STOP');
      handle.kill();
    }
    const deadline = performance.now() + STOP_MS;
    while (handle.isAlive()) {
      if (performance.now() > deadline) {
        handle.kill();
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, CONNECT_POLL_MS));
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

/** Waits until the host can be connected to. */
async function listening(
  handle: HostHandle,
  socket: string,
  name: string,
  reasonOf: () => string,
): Promise<void> {
  const failed = (why: string, code: 'INVALID_ARGUMENT' | 'UNAVAILABLE' = 'UNAVAILABLE'): SoftswitchError =>
    new SoftswitchError(code, `${name} does not start: ${why}`);
  let failure: SoftswitchError | undefined;
  new Guard().run(async () => {
    const exit = await handle.exit;
    if (exit === undefined) return;
    const why = [exit.how, reasonOf()].filter((text) => text !== '').join(': ');
    failure = failed(why, exit.refused ? 'INVALID_ARGUMENT' : 'UNAVAILABLE');
  });
  const deadline = performance.now() + START_MS;
  while (!(await takesConnections(socket))) {
    if (failure !== undefined) throw failure;
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
  const channel = await Channel.open(runFiles(directory).socket).catch(() => undefined);
  if (channel === undefined) return undefined;
  try {
    return readGreeting(await channel.request(Operation.HELLO, helloBody()));
  } finally {
    channel.close();
  }
}
