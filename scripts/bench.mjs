// Runs every benchmark of bench/src, or the ones named: node scripts/bench.mjs [name ...]
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';

const folder = new URL('../bench/src/', import.meta.url);
const all = readdirSync(folder)
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.lib.ts'))
  .sort();
const wanted = process.argv.slice(2);
let failed = false;
for (const file of all) {
  const name = file.replace(/\.ts$/, '');
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`\n== ${name}`);
  const args = [
    '--import',
    'tsx',
    '--conditions',
    '@infra-offload/source',
    '--expose-gc',
    new URL(file, folder).pathname,
  ];
  // In bench/, so that tsx resolves from there.
  failed =
    spawnSync(process.execPath, args, { stdio: 'inherit', cwd: new URL('../bench/', import.meta.url) })
      .status !== 0 || failed;
}
process.exit(failed ? 1 : 0);
