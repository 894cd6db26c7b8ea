import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const MODULE = fileURLToPath(new URL('./logging.ts', import.meta.url));
const PROGRAM = `
  const { createLoggers } = await import(${JSON.stringify(MODULE)});
  const { store } = createLoggers('program', ['store'], { level: 'info', modules: {} });
  store.warn({ path: '/var/lib/x', err: new Error('ENOSPC') }, 'the state cannot be stored');
  process.exit(3);`;
const NODE = [
  '--conditions',
  '@infra-offload/source',
  '--import',
  'tsx',
  '--input-type=module',
  '--eval',
  PROGRAM,
];

it('writes text for people on a terminal, all of it before the process ends', () => {
  const command = [process.execPath, ...NODE].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const env = { ...process.env, NO_COLOR: '1' };
  const text = execFileSync('script', ['--quiet', '--command', command, '/dev/null'], {
    env,
    encoding: 'utf8',
  });
  expect(text).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] WARN: store: the state cannot be stored\r?\n/m);
  expect(text).toMatch(/^ {4}path: "\/var\/lib\/x"/m);
  expect(text).toContain('Error: ENOSPC');
});
