import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { programs } from './layout.js';
import type { NetworkNamespace } from './netns.js';
import type {
  Answer,
  Flood,
  PodCommand,
  PodReply,
  Probe,
  Protocol,
  Spread,
  Target,
  Transfer,
} from './pod/protocol.js';

/** Serves and asks over TCP and UDP from inside a network namespace. */
export class PodProcess {
  readonly #child: ChildProcess;
  readonly #pending = new Map<
    number,
    { resolve: (result: unknown) => void; reject: (error: Error) => void }
  >();
  #nextId = 1;

  private constructor(
    readonly name: string,
    child: ChildProcess,
  ) {
    this.#child = child;
  }

  static start(name: string, namespace: NetworkNamespace): PodProcess {
    const [command, args] = namespace.wrap(process.execPath, [programs.pod, name]);
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
    const pod = new PodProcess(name, child);
    if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => pod.#onReply(line));
    child.on('exit', () => pod.#fail(new Error(`the process in pod ${name} ended`)));
    child.on('error', (error) => pod.#fail(error));
    return pod;
  }

  async serve(protocol: Protocol, port: number): Promise<void> {
    await this.#ask({ kind: 'serve', protocol, port });
  }

  async unserve(protocol: Protocol, port: number): Promise<void> {
    await this.#ask({ kind: 'unserve', protocol, port });
  }

  /** New connections, each asked once who answers. */
  async spread(target: Target, count: number, timeoutMs = 3_000): Promise<Spread> {
    return (await this.#ask({ kind: 'spread', ...target, count, timeoutMs })) as Spread;
  }

  /** Opens a connection that stays, to be asked again with `ask`. */
  async open(connection: string, target: Target, timeoutMs = 3_000): Promise<Answer> {
    return (await this.#ask({ kind: 'open', ...target, connection, timeoutMs })) as Answer;
  }

  async ask(connection: string, timeoutMs = 3_000): Promise<Answer> {
    return (await this.#ask({ kind: 'ask', connection, timeoutMs })) as Answer;
  }

  async close(connection: string): Promise<void> {
    await this.#ask({ kind: 'close', connection });
  }

  async transfer(target: Target, durationMs: number): Promise<Transfer> {
    return (await this.#ask({ kind: 'transfer', ...target, durationMs })) as Transfer;
  }

  /** Sends packets that nobody answers. */
  async probe(probes: readonly Probe[]): Promise<void> {
    await this.#ask({ kind: 'probe', probes });
  }

  /** Sends packets that nobody answers, each of another flow. */
  async flood(flood: Flood): Promise<void> {
    await this.#ask({ kind: 'flood', ...flood });
  }

  /** Numbers of the probes that have arrived since the last call; the first call begins to look. */
  async probed(): Promise<readonly number[]> {
    return (await this.#ask({ kind: 'probed' })) as readonly number[];
  }

  /** Ends the process and everything it serves. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  #ask(command: PodCommand): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#child.stdin?.write(`${JSON.stringify({ id, ...command })}\n`, (error) => {
        if (error) reject(error);
      });
    });
  }

  #onReply(line: string): void {
    const reply = JSON.parse(line) as PodReply;
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (reply.ok) pending?.resolve(reply.result);
    else pending?.reject(new Error(`pod ${this.name}: ${reply.error}`));
  }

  #fail(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}
