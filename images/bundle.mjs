// Puts what an image needs of a program into a directory: one file of JavaScript for each of its executables, and the packages
// that cannot be part of them because they read files of their own.
//
//     node images/bundle.mjs agent|manager|softswitch DIRECTORY
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** Where each program's sources are, and what its image needs of them. */
const PROGRAMS = {
  agent: { folder: 'apps/agent', entries: ['src/cli.ts'], outside: ['grpc-health-check'] },
  manager: { folder: 'apps/manager', entries: ['src/cli.ts'], outside: ['grpc-health-check'] },
  softswitch: {
    folder: 'packages/softswitch',
    entries: ['src/cli.ts', 'src/swx-engine.ts'],
    outside: ['koffi'],
  },
};
/** A package whose modules do nothing when they are loaded, so that those that nobody uses can be left out (13 MB). */
const LAZY = '@kubernetes/client-node';
/** What running a package does not take. */
const UNUSED = /\.(d\.[cm]?ts|[cm]?ts|map|md)$|\/(docs?|test|tests|example|examples)$/;

const [name, target] = process.argv.slice(2);
const program = PROGRAMS[name];
if (program === undefined || target === undefined) {
  console.error(`usage: node images/bundle.mjs ${Object.keys(PROGRAMS).join('|')} DIRECTORY`);
  process.exit(2);
}
const source = join(dirname(fileURLToPath(import.meta.url)), '..', program.folder);
const output = resolve(target);

rmSync(output, { recursive: true, force: true });
mkdirSync(join(output, 'dist'), { recursive: true });
cpSync(join(source, 'package.json'), join(output, 'package.json'));
await build({
  absWorkingDir: source,
  entryPoints: program.entries,
  // The workspace's packages as sources, so that none of them needs to be built.
  conditions: ['@infra-offload/source', 'node', 'import', 'default'],
  outdir: join(output, 'dist'),
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  external: program.outside,
  plugins: [{ name: 'lazy', setup: leaveOutUnused }],
  logLevel: 'error',
  // CommonJS packages call `require` for Node's own modules.
  banner: {
    js: "import { createRequire as createRequireOfBundle } from 'node:module'; const require = createRequireOfBundle(import.meta.url);",
  },
});
for (const plugin of ['infra-cni.js', 'felix-api-proxy.js']) {
  const file = join(source, 'dist', plugin);
  if (existsSync(file)) cpSync(file, join(output, 'dist', plugin));
}
for (const outside of program.outside) copyPackage(outside, source);

/** Tells esbuild that modules of {@link LAZY} have no side effects, which its package.json does not say. */
function leaveOutUnused({ onResolve, resolve }) {
  onResolve(
    { filter: /^(\.|@kubernetes\/client-node$)/ },
    async ({ path, pluginData, importer, kind, resolveDir }) => {
      if (pluginData === LAZY || !(path === LAZY || importer.includes(`/${LAZY}/`))) return undefined;
      const found = await resolve(path, { importer, kind, resolveDir, pluginData: LAZY });
      return { ...found, sideEffects: false };
    },
  );
}

/** Copies a package and all that it depends on; packages of one name have one version here, which is checked. */
function copyPackage(name, from) {
  // Types are of no use at run time.
  if (name.startsWith('@types/') || name === 'undici-types') return;
  const found = locate(name, from);
  if (found === undefined) return;
  const {
    version,
    dependencies = {},
    optionalDependencies = {},
  } = JSON.parse(readFileSync(join(found, 'package.json'), 'utf8'));
  const copy = join(output, 'node_modules', name);
  if (existsSync(copy)) {
    const other = JSON.parse(readFileSync(join(copy, 'package.json'), 'utf8')).version;
    if (other !== version) throw new Error(`bundle: ${name} is needed as ${version} and as ${other}`);
    return;
  }
  cpSync(found, copy, {
    recursive: true,
    filter: (path) => !UNUSED.test(path) && !path.slice(found.length).includes('/node_modules'),
  });
  for (const dependency of Object.keys({ ...dependencies, ...optionalDependencies })) {
    copyPackage(dependency, found);
  }
}

/** Where a package is, as Node looks for it; undefined for one that was not installed for this platform. */
function locate(name, from) {
  for (let directory = realpathSync(from); ; directory = dirname(directory)) {
    const candidate = join(directory, 'node_modules', name);
    if (existsSync(candidate)) return realpathSync(candidate);
    if (directory === dirname(directory)) return undefined;
  }
}
