/** Compiles `dpdk/` and `es2k/`; with `--check` it only tells whether the artifacts are what comes out. Run by `make p4`. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ARTIFACTS, compile, findCompiler } from './p4c.js';

const PROGRAMS = ['dpdk', 'es2k'];
/** The hashes of sources and artifacts, as `sha256sum -c` reads them. */
const RECORD = 'SOURCES.sha256';

function recordOf(folder: string): string {
  const sources = readdirSync(folder).filter((file) => file.endsWith('.p4'));
  return [...sources.sort(), ...ARTIFACTS]
    .map(
      (file) =>
        `${createHash('sha256')
          .update(readFileSync(join(folder, file)))
          .digest('hex')}  ${file}\n`,
    )
    .join('');
}

function main(isCheck: boolean): boolean {
  const compiler = findCompiler(process.env);
  if (compiler === undefined) throw new Error('no p4c-dpdk: it is neither on PATH nor named by P4C');
  let isSame = true;
  for (const program of PROGRAMS) {
    const folder = fileURLToPath(new URL(`../../${program}`, import.meta.url));
    for (const [file, text] of Object.entries(compile(folder, compiler))) {
      const path = join(folder, file);
      if (readFileSync(path, 'utf8') === text) continue;
      isSame = false;
      console.log(
        `${program}/${file} ${isCheck ? 'is not what p4c makes of the sources: make p4' : 'written'}`,
      );
      if (!isCheck) writeFileSync(path, text);
    }
    if (!isCheck) writeFileSync(join(folder, RECORD), recordOf(folder));
  }
  return isSame || !isCheck;
}

try {
  process.exitCode = main(process.argv[2] === '--check') ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
