import { programs, run, type Testbed } from '@infra-offload/testbed';

/** Runs infractl as somebody, and gives what it says; what it complains about is thrown. */
export async function infractlAs(
  bed: Testbed,
  role: 'agent' | 'operator',
  ...args: readonly string[]
): Promise<string> {
  const { cert, key, ca } = bed.layout.identity(role);
  const connection = ['--manager', `unix:${bed.layout.managerSocket}`];
  const identity = ['--cert', cert, '--key', key, '--ca', ca];
  const { code, stdout, stderr } = await run(process.execPath, [
    programs.infractl,
    ...connection,
    ...identity,
    ...args,
  ]);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}
