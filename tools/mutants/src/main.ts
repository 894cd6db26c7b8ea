import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { planOf } from './plan.js';
import { tryMutants } from './session.js';
import { type Row, renderRows, rowsOf, total } from './table.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** Folders whose sources are changed, and whose tests are run. */
const FOLDERS = [
  'apps/manager/src/controller',
  'apps/manager/src/server',
  'apps/manager/src/target',
  'apps/manager/src/reconciler',
  'packages/reconciler/src',
  'packages/p4rt/src/session',
  'packages/k8s-watch/src/api',
  'packages/lb-model/src',
  'packages/tls-certs/src',
];

const USAGE = `usage: node scripts/mutants.mjs [options] [part of a file's name ...]
  --sample N   number of mutants tried per file, or all (default: 20)
  --seed N     chooses which ones (default: 1)
  --survivors  lists the mutants that no test noticed
exit status: 0 all were tried, 1 a test fails without a mutant, 2 wrong arguments`;

/** Tries mutants and prints how many the tests beside them notice. @returns the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  const options = optionsOf(args);
  if (options === undefined) {
    console.error(USAGE);
    return 2;
  }
  const { sample, seed, survivors, parts } = options;
  const totals: Omit<Row, 'survivors'>[] = [];
  let status = 0;
  for (const folder of FOLDERS) {
    const files = sourcesIn(folder).filter(
      (file) => parts.length === 0 || parts.some((part) => file.includes(part)),
    );
    if (files.length === 0) continue;
    const plan = planOf(ROOT, files, sample, seed);
    const outcome = await tryMutants(ROOT, plan, [`${folder}/`]);
    const rows = rowsOf(plan, outcome).filter(({ mutants }) => mutants > 0);
    console.log(`\n${renderRows([...rows, total(folder, rows)])}`);
    if (survivors) console.log(`\n${rows.flatMap((row) => row.survivors).join('\n')}`);
    for (const test of outcome.broken)
      console.log(`\nfails without a mutant, so it says nothing about mutants: ${test}`);
    if (outcome.broken.length > 0) status = 1;
    totals.push(total(folder, rows));
  }
  console.log(`\n${renderRows(totals)}`);
  return status;
}

function optionsOf(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: {
        sample: { type: 'string', default: '20' },
        seed: { type: 'string', default: '1' },
        survivors: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    });
    const sample = values.sample === 'all' ? Number.POSITIVE_INFINITY : Number(values.sample);
    const seed = Number(values.seed);
    if (!(sample >= 1) || !Number.isSafeInteger(seed)) return undefined;
    return { sample, seed, survivors: values.survivors, parts: positionals };
  } catch {
    return undefined;
  }
}

/** Sources with something in them that can be changed, without tests and what only these use. */
function sourcesIn(folder: string): readonly string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.ts$/.test(file) && !/\.test\.ts$|(^|\/)testing(\.ts|\/)|cli\.ts$/.test(file))
    .map((file) => `${folder}/${file}`)
    .sort();
}
