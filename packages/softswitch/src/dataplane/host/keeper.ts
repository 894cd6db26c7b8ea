import { rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { Guard } from '@infra-offload/guard';
import type { Logger } from '../../logger.js';
import { type HostHandle, type HostProgram, handleOfChild, lastWords, spawnHost } from './host-program.js';
import { RunDirectory } from './run-directory.js';
import { loadSockets } from './sockets.js';

/** What a keeper takes, one a line; it answers with a {@link HostExit} in JSON, once the host has ended. */
export type KeeperRequest = 'start' | 'watch' | 'kill';

/**
 * Starts hosts for a softswitch that cannot have children which outlive it, because it is in a container of its own, and
 * ends them when they hang. They end with the keeper.
 */
export class HostKeeper {
  readonly #program: HostProgram;
  readonly #directory: RunDirectory;
  readonly #logger: Logger | undefined;
  readonly #guard: Guard;
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  #host: HostHandle | undefined;
  #started = Promise.resolve();

  private constructor(program: HostProgram, directory: RunDirectory, logger: Logger | undefined) {
    this.#program = program;
    this.#directory = directory;
    this.#logger = logger;
    this.#guard = new Guard((error) => logger?.error({ err: error }, 'internal error'));
    this.#server = createServer(this.#guard.handler((client: Socket) => this.#serve(client)));
  }

  /** Listens in the run directory, for this user only. UNAVAILABLE if there is a keeper already. */
  static async open(program: HostProgram, path: string, logger?: Logger): Promise<HostKeeper> {
    const directory = await RunDirectory.take(await loadSockets(), path, 'keeper');
    const keeper = new HostKeeper(program, directory, logger);
    try {
      await keeper.#listen();
      return keeper;
    } catch (error) {
      directory.release();
      throw error;
    }
  }

  /** Ends the host, too. */
  async stop(): Promise<void> {
    this.#server.close();
    const host = this.#host;
    host?.kill();
    await host?.exit;
    for (const client of this.#clients) client.destroy();
    this.#directory.release();
  }

  async #listen(): Promise<void> {
    const { keeper } = this.#directory.files;
    await rm(keeper, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      // The mask is that of the process, and what is bound is bound within the call.
      const mask = process.umask(0o177);
      this.#server.listen(keeper, resolve);
      process.umask(mask);
    });
  }

  #serve(client: Socket): void {
    this.#clients.add(client);
    client.on('close', () => this.#clients.delete(client));
    client.on('error', () => undefined);
    const lines = createInterface({ input: client });
    lines.on('error', () => undefined);
    lines.on(
      'line',
      this.#guard.handler((line: string) => this.#handle(client, line)),
    );
  }

  async #handle(client: Socket, request: string): Promise<void> {
    switch (request) {
      case 'start':
        this.#started = this.#started.then(() => this.#start());
        await this.#started;
        return this.#tellExit(client);
      case 'watch':
        return this.#tellExit(client);
      case 'kill':
        this.#host?.kill();
        return;
      default:
        client.destroy();
    }
  }

  async #start(): Promise<void> {
    // One that a softswitch had begun to start when it ended.
    const before = this.#host;
    before?.kill();
    await before?.exit;
    const { files } = this.#directory;
    const child = spawnHost({ ...this.#program, args: [...this.#program.args, '--die-with-parent'] }, files);
    const host = handleOfChild(child);
    this.#host = host;
    this.#logger?.info({ pid: child.pid }, `${this.#program.name} is started`);
    this.#guard.run(async () => {
      const exit = await host.exit;
      if (this.#host === host) this.#host = undefined;
      this.#logger?.warn(
        { reason: [exit?.how, lastWords(files)].join(': ') },
        `${this.#program.name} has ended`,
      );
    });
  }

  async #tellExit(client: Socket): Promise<void> {
    const exit = await this.#host?.exit;
    client.end(exit === undefined ? '' : `${JSON.stringify(exit)}\n`);
  }
}
