import { spawn } from 'node:child_process';
import { AgentError } from '../errors.js';

/** Far more than any command of ours takes; one that waits for a lock of the kernel for ever must not hold up the agent. */
const DEFAULT_TIMEOUT_MS = 10_000;

/** How a command has ended. */
export interface CommandResult {
  /** 128 if it was ended by a signal. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** Standard input; none if absent. */
  readonly stdin?: string | undefined;
  /** Milliseconds until the command is killed; 10 s if absent. */
  readonly timeoutMs?: number;
}

/**
 * Runs a command of the system, found in the PATH.
 *
 * @throws AgentError COMMAND_FAILED if it cannot be started, or is not done in time: then it may have done its work
 *   or not. A command that ends with an error is a result, not an exception.
 */
export function runCommand(
  file: string,
  args: readonly string[],
  { stdin, timeoutMs = DEFAULT_TIMEOUT_MS }: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    const fail = (message: string, cause?: unknown) =>
      reject(
        new AgentError('COMMAND_FAILED', message, {
          details: { command: [file, ...args].join(' ') },
          cause,
        }),
      );
    const timeout = setTimeout(() => {
      child.kill('SIGKILL');
      fail(`${file} ${args.join(' ')}: not done in ${timeoutMs / 1000} s; ended`);
    }, timeoutMs);
    child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
    // The command may end before it has read its input; its exit code tells why.
    child.stdin?.on('error', () => {});
    child.stdin?.end(stdin);
    child.once('error', (cause) => {
      clearTimeout(timeout);
      fail(`cannot run ${file}: ${cause.message}`, cause);
    });
    child.once('close', (code, signal) => {
      clearTimeout(timeout);
      resolve({
        code: code ?? 128,
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString() || (signal ? `ended by ${signal}` : ''),
      });
    });
  });
}
