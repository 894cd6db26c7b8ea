import { renameSync } from 'node:fs';
import type { CommandOptions, runCommand } from '../interfaces/command.js';

/** One command that is expected, and what it answers. */
export interface ExpectedCommand {
  /** Name and arguments, separated by one space each. */
  readonly command: string;
  /** Lines of its standard input; none are expected if absent. */
  readonly stdin?: readonly string[];
  /** Printed; anything but a string as JSON. */
  readonly stdout?: unknown;
  readonly stderr?: string;
  readonly code?: number;
  /** Files that it moves: what the command would change in the system. */
  readonly moves?: readonly (readonly [from: string, to: string])[];
}

/**
 * Stands in for `runCommand`, and follows a transcript: each command must be the next one expected, word for word and with
 * that very input. Anything else fails, and makes `verify` fail, whatever the caller made of it. No process is started.
 */
export class FakeCommands {
  #expected: ExpectedCommand[] = [];
  #violations: string[] = [];
  #position = 0;

  /** In the place of `runCommand`. */
  readonly run: typeof runCommand = async (file, args, { stdin = '' }: CommandOptions = {}) => {
    const expected = this.#expected[this.#position];
    const came = JSON.stringify({ command: [file, ...args].join(' '), stdin }, null, 1);
    const wanted =
      expected &&
      JSON.stringify({ command: expected.command, stdin: (expected.stdin ?? []).join('\n') }, null, 1);
    if (expected === undefined || came !== wanted) {
      this.#violations.push(`command ${this.#position + 1} is ${came}\nexpected ${wanted ?? 'none'}`);
      return { code: 97, stdout: '', stderr: 'unexpected command\n' };
    }
    this.#position++;
    for (const [from, to] of expected.moves ?? []) renameSync(from, to);
    const { stdout = '', stderr = '', code = 0 } = expected;
    return { code, stdout: typeof stdout === 'string' ? stdout : JSON.stringify(stdout), stderr };
  };

  /** Adds to the transcript. */
  expect(...commands: readonly ExpectedCommand[]): void {
    this.#expected.push(...commands);
  }

  /** Throws if a command came that was not expected, or one has not come. The transcript is empty afterwards. */
  verify(): void {
    const missing = this.#expected.slice(this.#position).map(({ command }) => command);
    const violations = this.#violations;
    this.#expected = [];
    this.#violations = [];
    this.#position = 0;
    if (violations.length > 0) throw new Error(violations.join('\n'));
    if (missing.length > 0) throw new Error(`expected, but never run:\n${missing.join('\n')}`);
  }
}
