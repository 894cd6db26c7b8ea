#!/usr/bin/env node
import { readFileSync, writeSync } from 'node:fs';
import { CniError, CniErrorCode } from '@infra-offload/cni-types';
import { type PluginOutcome, runPlugin } from './cni/plugin.js';

function readStdin(): string {
  // A terminal would keep the plugin waiting; runtimes give a pipe.
  return process.stdin.isTTY ? '' : readFileSync(0, 'utf8');
}

async function main(): Promise<PluginOutcome> {
  let stdin: string;
  try {
    stdin = readStdin();
  } catch (cause) {
    const error = new CniError(CniErrorCode.ioFailure, 'standard input cannot be read', { cause });
    return { output: `${JSON.stringify(error.toResult())}\n`, exitCode: 1 };
  }
  return runPlugin(process.env, stdin);
}

main().then(({ output, exitCode }) => {
  // Synchronous: the process may end before a pipe has taken an asynchronous write.
  for (let rest = Buffer.from(output); rest.length > 0; ) rest = rest.subarray(writeSync(1, rest));
  process.exitCode = exitCode;
});
