#!/usr/bin/env node
import { readSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { isSystemError } from '@infra-offload/base';
import { CniError, CniErrorCode, decodeText } from '@infra-offload/cni-types';
import { endOnUncaught } from '@infra-offload/guard';
import { type PluginOutcome, runPlugin } from './cni/plugin.js';
import { MAX_CONFIG_BYTES } from './cni/protocol.js';

async function readStdin(): Promise<string> {
  // A terminal would keep the plugin waiting; runtimes give a pipe.
  if (isatty(0)) return '';
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunksOfStdin()) {
    length += chunk.length;
    if (length > MAX_CONFIG_BYTES) {
      const message = `the network configuration is longer than ${MAX_CONFIG_BYTES} bytes`;
      throw new CniError(CniErrorCode.invalidConfig, message);
    }
    chunks.push(chunk);
  }
  return decodeText(Buffer.concat(chunks), 'the network configuration');
}

/** Reading at once costs less than a stream, but a pipe that does not block may have nothing yet. */
async function* chunksOfStdin(): AsyncGenerator<Buffer> {
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafe(64 * 1024);
      const length = readSync(0, chunk);
      if (length === 0) return;
      yield chunk.subarray(0, length);
    }
  } catch (error) {
    if (!isSystemError(error, 'EAGAIN')) throw error;
  }
  yield* process.stdin as AsyncIterable<Buffer>;
}

async function main(): Promise<PluginOutcome> {
  let stdin: string;
  try {
    stdin = await readStdin();
  } catch (cause) {
    const error = CniError.is(cause)
      ? cause
      : new CniError(CniErrorCode.ioFailure, 'standard input cannot be read', { cause });
    return outcomeOf(error);
  }
  return runPlugin(process.env, stdin);
}

function outcomeOf(error: unknown): PluginOutcome {
  return { output: `${JSON.stringify(CniError.from(error).toResult())}\n`, exitCode: 1 };
}

/** Synchronous: the process ends before an asynchronous write is through. */
function write(output: string): void {
  for (let rest = Buffer.from(output); rest.length > 0; ) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      // A pipe that does not block, and is full. Without a reader there is nobody left to tell.
      if (!isSystemError(error, 'EAGAIN')) process.exit(1);
    }
  }
}

// Whatever happens, a runtime gets an error that it can read, and no stack trace.
endOnUncaught((error) => write(outcomeOf(error).output));

main().then(({ output, exitCode }) => {
  write(output);
  process.exit(exitCode);
});
