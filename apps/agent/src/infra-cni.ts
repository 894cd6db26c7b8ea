#!/usr/bin/env node
import { readFileSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { CniError, CniErrorCode } from '@infra-offload/cni-types';
import { endOnUncaught } from '@infra-offload/guard';
import { type PluginOutcome, runPlugin } from './cni/plugin.js';
import { isSystemError } from './errors.js';

async function readStdin(): Promise<string> {
  // A terminal would keep the plugin waiting; runtimes give a pipe.
  if (isatty(0)) return '';
  try {
    return readFileSync(0, 'utf8');
  } catch (error) {
    if (!isSystemError(error, 'EAGAIN')) throw error;
  }
  // A pipe that does not block, and has nothing yet.
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function main(): Promise<PluginOutcome> {
  try {
    return await runPlugin(process.env, await readStdin());
  } catch (cause) {
    const error = new CniError(CniErrorCode.ioFailure, 'standard input cannot be read', { cause });
    return { output: `${JSON.stringify(error.toResult())}\n`, exitCode: 1 };
  }
}

/** Synchronous: the process ends before an asynchronous write is through. */
function write(output: string): void {
  for (let rest = Buffer.from(output); rest.length > 0; ) rest = rest.subarray(writeSync(1, rest));
}

endOnUncaught((error) => write(`${JSON.stringify(CniError.from(error).toResult())}\n`));
main().then(({ output, exitCode }) => {
  write(output);
  process.exit(exitCode);
});
