// Tries changes of the sources on the tests beside them: node scripts/mutants.mjs [--sample N] [--seed N] [--survivors] [part of a file's name ...]
import { register } from 'tsx/esm/api';

register();
const { main } = await import('../tools/mutants/src/main.ts');
process.exitCode = await main(process.argv.slice(2));
