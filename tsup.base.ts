import type { Options } from 'tsup';

const COMMON = { format: 'esm', target: 'node20', sourcemap: true, clean: true } satisfies Options;

/** How packages are built: ES modules with their types. */
export function library(entry: NonNullable<Options['entry']>): Options {
  return { ...COMMON, entry, dts: true };
}

/** How programs are built: nobody imports them. */
export function programs(entry: NonNullable<Options['entry']>): Options {
  return { ...COMMON, entry, dts: false };
}
