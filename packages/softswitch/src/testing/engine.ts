import { fileURLToPath } from 'node:url';
import type { HostProgram } from '../dataplane/host/host-program.js';

/** The engine as a process of its own, from the sources; nothing is left of it when the test is killed. */
export function engineFromSource(): HostProgram {
  const program = fileURLToPath(new URL('../swx-engine.ts', import.meta.url));
  const args = ['--import', 'tsx', '--conditions', '@infra-offload/source', program, '--die-with-parent'];
  return { kind: 'engine', name: 'swx-engine', command: process.execPath, args };
}
