import { AsyncLocalStorage } from 'node:async_hooks';
import type { CommandOptions, CommandResult, runCommand } from '../interfaces/command.js';

/** What happens instead of a step, once. */
export type FaultMode =
  /** The step is not done, and fails. */
  | 'fails'
  /** The step is done, and fails nevertheless. */
  | 'fails after it'
  /** The step does not end. */
  | 'hangs'
  /** The pod's network namespace is destroyed just before the step. */
  | 'namespace destroyed';

/** A step of an operation of the agent: its number among those of its sort, and for `ip -batch` the line. */
export interface Step {
  readonly operation: 'attach' | 'detach';
  readonly sort: 'command' | 'file';
  readonly number: number;
  readonly line?: number;
  /** For reading. */
  readonly what: string;
}

export interface Fault {
  readonly step: Pick<Step, 'operation' | 'sort' | 'number' | 'line'>;
  readonly mode: FaultMode;
}

type Operation = { readonly name: Step['operation']; readonly counts: { command: number; file: number } };

/** Watches the steps of attaching and detaching, and makes some of them fail. */
export class FaultInjector {
  /** Steps since `record`. */
  steps: Step[] = [];
  destroyNamespace: () => void = () => {};
  readonly #operation = new AsyncLocalStorage<Operation>();
  #armed: Fault[] = [];

  /** Everything that happens in `task` belongs to the operation; what the agent does beside it does not. */
  run<T>(name: Step['operation'], task: () => Promise<T>): Promise<T> {
    return this.#operation.run({ name, counts: { command: 0, file: 0 } }, task);
  }

  arm(...faults: readonly Fault[]): void {
    this.#armed = [...faults];
  }

  /** Faults that have not happened. */
  get armed(): readonly Fault[] {
    return this.#armed;
  }

  /** In the place of `runCommand`. */
  async command(
    original: typeof runCommand,
    file: string,
    args: readonly string[],
    options: CommandOptions = {},
  ): Promise<CommandResult> {
    const lines = options.stdin?.split('\n') ?? [];
    const fault = this.#enter('command', [file, ...args].join(' '), lines);
    if (fault === undefined) return original(file, args, options);
    if (fault.step.line !== undefined) {
      await original(file, args, { stdin: lines.slice(0, fault.step.line).join('\n') });
      return failure(`Command failed -:${fault.step.line + 1}`);
    }
    switch (fault.mode) {
      case 'fails':
        return failure();
      case 'fails after it':
        await original(file, args, options);
        return failure();
      case 'hangs':
        return original('sleep', ['60'], { timeoutMs: 20 });
      case 'namespace destroyed':
        this.destroyNamespace();
        return original(file, args, options);
      default:
        return fault.mode satisfies never;
    }
  }

  /** In the place of a call of the file system. */
  async file<T>(what: string, original: () => Promise<T>): Promise<T> {
    const fault = this.#enter('file', what, []);
    if (fault === undefined) return original();
    if (fault.mode !== 'fails') await original();
    throw Object.assign(new Error(`ENOSPC: no space left on device, ${what}`), { code: 'ENOSPC' });
  }

  #enter(sort: Step['sort'], what: string, lines: readonly string[]): Fault | undefined {
    const operation = this.#operation.getStore();
    if (operation === undefined) return undefined;
    const number = operation.counts[sort]++;
    const step = { operation: operation.name, sort, number };
    this.steps.push({ ...step, what }, ...lines.map((text, line) => ({ ...step, line, what: text })));
    const index = this.#armed.findIndex(
      (fault) =>
        fault.step.operation === step.operation && fault.step.sort === sort && fault.step.number === number,
    );
    return index < 0 ? undefined : this.#armed.splice(index, 1)[0];
  }
}

function failure(more = ''): CommandResult {
  return { code: 2, stdout: '', stderr: `RTNETLINK answers: Device or resource busy\n${more}\n` };
}
