// Runs the fault tests: node scripts/faults.mjs [--cases N] [--seed N] [--minutes N] [--write] [part of a file's name ...]
import { register } from 'tsx/esm/api';

register();
const { main } = await import('../tools/faults/src/runner/main.ts');
process.exitCode = await main(process.argv.slice(2));
