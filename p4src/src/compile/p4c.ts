import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { P4Program } from '@infra-offload/p4info';
import { extendSpec } from './extend-spec.js';
import { shareTemporaries } from './share-temporaries.js';

const SPEC = 'k8s_dp.spec';
const P4INFO = 'k8s_dp.p4info.txtpb';
const CONTEXT = 'context.json';
const BFRT = 'bf-rt.json';
const SOURCE = 'k8s_dp.p4';
/** What is made of a program. */
export const ARTIFACTS = [P4INFO, SPEC, CONTEXT, BFRT] as const;

/** p4c-dpdk and the folder with its `core.p4` and `dpdk/`. */
export interface Compiler {
  readonly path: string;
  readonly include: string;
}

/**
 * The compiler that `P4C` names, or that is on PATH; its includes are where `P4INCLUDE` says, or near it. Undefined: there is none.
 *
 * @throws Error when `P4C` names none, or when there are no includes.
 */
export function findCompiler(env: NodeJS.ProcessEnv): Compiler | undefined {
  const named = env.P4C;
  if (named && !existsSync(named)) throw new Error(`P4C names ${named}, which is not there`);
  const path = named
    ? resolve(named)
    : (env.PATH ?? '')
        .split(delimiter)
        .map((folder) => join(folder, 'p4c-dpdk'))
        .find((file) => existsSync(file));
  if (path === undefined) return undefined;
  const above = dirname(dirname(path));
  const folders = env.P4INCLUDE ? [env.P4INCLUDE] : [`${above}/p4include`, `${above}/share/p4c/p4include`];
  const include = folders.find((folder) => existsSync(join(folder, 'core.p4')));
  if (include === undefined)
    throw new Error(`no core.p4 in ${folders.join(' or ')}: P4INCLUDE names the folder with p4c's includes`);
  return { path, include: resolve(include) };
}

/**
 * Compiles the program in a folder, and gives the texts of its artifacts by name: as p4c writes them, but for what
 * {@link extendSpec} does, and without the time and the paths of this run.
 *
 * @throws Error with p4c's messages when it refuses the program.
 */
export function compile(folder: string, { path, include }: Compiler): Readonly<Record<string, string>> {
  const out = mkdtempSync(join(tmpdir(), 'p4c-'));
  try {
    const at = (file: string) => join(out, file);
    const args = [
      ...[
        '--Wdisable=unused',
        '--arch',
        'pna',
        '--target',
        'dpdk',
        '-I',
        join(include, 'dpdk'),
        '-I',
        include,
      ],
      ...[
        '--p4runtime-files',
        at(P4INFO),
        '--bf-rt-schema',
        at(BFRT),
        '--context',
        at(CONTEXT),
        '-o',
        at(SPEC),
      ],
    ];
    const { status, stderr, error } = spawnSync(path, [...args, SOURCE], { cwd: folder, encoding: 'utf8' });
    if (status !== 0)
      throw new Error(`p4c-dpdk refuses ${join(folder, SOURCE)}:\n${error?.message ?? stderr}`);
    if (stderr !== '') console.error(stderr.trimEnd());
    const texts = Object.fromEntries(ARTIFACTS.map((file) => [file, readFileSync(at(file), 'utf8')]));
    return {
      ...texts,
      [SPEC]: shareTemporaries(extendSpec(texts[SPEC] ?? '', P4Program.parse(texts[P4INFO] ?? ''))),
      [CONTEXT]: withoutRun(texts[CONTEXT] ?? ''),
    };
  } finally {
    rmSync(out, { recursive: true });
  }
}

function withoutRun(context: string): string {
  return context
    .replace(/("build_date" : )"[^"]*"/, '$1"Thu Jan  1 00:00:00 1970"')
    .replace(/("compile_command" : )"[^"]*"/, `$1"p4c-dpdk --arch pna --target dpdk -o ${SPEC} ${SOURCE}"`);
}
