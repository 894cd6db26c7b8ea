import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { NetworkNamespace } from '@infra-offload/testbed';
import type { SocketCommand, SocketEvent, SocketMessage } from './protocol.js';

const PROGRAM = fileURLToPath(new URL('../../dist/sockets.js', import.meta.url));

/** A process in a network namespace that owns sockets there for as long as it runs. */
export class PodSockets {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  #nextId = 1;

  readonly #onEvent: (event: SocketEvent) => void;

  /** @param onEvent what its sockets see */
  constructor(namespace: NetworkNamespace, onEvent: (event: SocketEvent) => void) {
    this.#onEvent = onEvent;
    const [command, args] = namespace.wrap(process.execPath, ['--enable-source-maps', PROGRAM]);
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
    if (this.#child.stdout)
      createInterface({ input: this.#child.stdout }).on('line', (line) => this.#onMessage(line));
    this.#child.on('exit', () =>
      this.#fail(new Error(`the process with the sockets of ${namespace.name} ended`)),
    );
    this.#child.on('error', (error) => this.#fail(error));
  }

  /** @throws Error when it cannot be done */
  command(command: SocketCommand): Promise<void> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#child.stdin?.write(`${JSON.stringify({ id, ...command })}\n`, (error) => {
        if (error) reject(error);
      });
    });
  }

  /** Ends the process. Its kernel closes the sockets. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  #onMessage(line: string): void {
    const message = JSON.parse(line) as SocketMessage;
    if ('event' in message) {
      this.#onEvent(message);
      return;
    }
    const pending = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (message.ok) pending?.resolve();
    else pending?.reject(new Error(message.error));
  }

  #fail(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}
