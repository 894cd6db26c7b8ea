import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { Place } from '@infra-offload/testbed';

const PROGRAM = fileURLToPath(new URL('../dist/load.js', import.meta.url));

/** What became of requests over connections of their own. */
export interface LoadResult {
  readonly requests: number;
  /** By what failed: an error of the socket such as `ECONNREFUSED`, or what was missing. */
  readonly failures: Readonly<Record<string, number>>;
  /** The longest time without an answer, in milliseconds. */
  readonly longestGapMs: number;
}

/** Requests that go on until they are stopped. */
export class Load {
  readonly #child: ChildProcess;
  readonly #output: Promise<string>;

  private constructor(child: ChildProcess, output: Promise<string>) {
    this.#child = child;
    this.#output = output;
  }

  /** @param rate new connections a second */
  static start(place: Pick<Place, 'wrap'>, address: string, port: number, rate: number): Load {
    const [command, args] = place.wrap(process.execPath, [PROGRAM, address, `${port}`, `${rate}`]);
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    return new Load(child, text(child.stdout));
  }

  /** Ends it when all requests under way are answered, or have failed. */
  async stop(): Promise<LoadResult> {
    this.#child.kill('SIGTERM');
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
    return JSON.parse(await this.#output) as LoadResult;
  }
}
