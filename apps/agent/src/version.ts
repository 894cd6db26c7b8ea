import { readFileSync } from 'node:fs';

/** The package's version; package.json is one directory up from sources and from the built file alike. */
export const version: string = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
).version;
