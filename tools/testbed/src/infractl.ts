import { programs } from './layout.js';
import { run } from './shell.js';
import type { Testbed } from './testbed.js';

/** Runs infractl on a testbed, with the certificate of a role; what it prints. */
export async function infractl(
  bed: Testbed,
  role: 'agent' | 'operator',
  ...args: readonly string[]
): Promise<string> {
  const { cert, key, ca } = bed.layout.identity(role);
  const connection = ['--manager', `unix:${bed.layout.managerSocket}`];
  const identity = ['--cert', cert, '--key', key, '--ca', ca];
  const command = [programs.infractl, ...connection, ...identity, ...args];
  const { code, stdout, stderr } = await run(process.execPath, command);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}
