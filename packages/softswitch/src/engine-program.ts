import { fileURLToPath } from 'node:url';
import type { HostProgram } from './dataplane/host/host-program.js';

/** The engine as a process of its own: the program next to this one, built or not. */
export function engineProgram(ports: number): HostProgram {
  const file = import.meta.url.endsWith('.ts') ? './swx-engine.ts' : './swx-engine.js';
  return {
    kind: 'engine',
    name: 'swx-engine',
    command: process.execPath,
    args: [...process.execArgv, fileURLToPath(new URL(file, import.meta.url)), '--ports', `${ports}`],
  };
}
