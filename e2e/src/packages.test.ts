import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '@infra-offload/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** The packages as npm would have them: packed, installed into an empty project, and used from there. */

const repository = fileURLToPath(new URL('../../', import.meta.url));
const PACKAGES = [...readdirSync(join(repository, 'packages')).map((name) => `packages/${name}`), 'p4src'];

/** Examples that need what is not here: a cluster, a target, certificates, DPDK, or arguments. */
const NOT_RUN = new Set([
  'k8s-watch-2',
  'p4rt-1',
  'p4rt-5',
  'softswitch-2',
  'tls-certs-2',
  'service-1',
  'p4src-1',
]);
/** Examples that end with a failure on purpose: of an empty standard input, and of what is no JSON. */
const FAILS = new Set(['cni-types-1', 'yaml-1']);

interface Example {
  /** Such as `p4rt-2`: the second of that package. */
  readonly name: string;
  readonly code: string;
}

function examples(): Example[] {
  return PACKAGES.flatMap((folder) => {
    const readme = readFileSync(join(repository, folder, 'README.md'), 'utf8');
    const name = folder.replace('packages/', '');
    return [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ''], i) => ({
      name: `${name}-${i + 1}`,
      code,
    }));
  });
}

let project: string;

async function command(name: string, args: readonly string[], cwd = project): Promise<string> {
  const { code, stdout, stderr } = await run(name, args, { cwd, timeoutMs: 600_000 });
  if (code !== 0) throw new Error(`${name} ${args.join(' ')}: ${code}\n${stdout}\n${stderr}`);
  return stdout;
}

const bin = (name: string): string => join(project, 'node_modules/.bin', name);

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), 'iof-packages-'));
  const packed = join(project, 'packed');
  mkdirSync(packed);
  for (const folder of PACKAGES)
    await command('pnpm', ['pack', '--pack-destination', packed], join(repository, folder));
  const dependencies = Object.fromEntries(
    readdirSync(packed).map((file) => [
      file.replace(/^infra-offload-(.*)-\d+\.\d+\.\d+.*\.tgz$/, '@infra-offload/$1'),
      `file:packed/${file}`,
    ]),
  );
  const tools = {
    typescript: '5.9.3',
    '@types/node': '20',
    '@grpc/grpc-js': '^1.14.7',
    zod: '^4.6.7',
    'dns-packet': '^5.6.1',
    '@types/dns-packet': '^5.6.5',
    publint: '^0.3.0',
    '@arethetypeswrong/cli': '^0.18.0',
  };
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({
      name: 'empty',
      private: true,
      type: 'module',
      dependencies: { ...dependencies, ...tools },
    }),
  );
  await command('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error']);
  mkdirSync(join(project, 'src'));
  // Examples name files of this repository.
  symlinkSync(join(repository, 'p4src'), join(project, 'p4src'));
  for (const { name, code } of examples()) writeFileSync(join(project, 'src', `${name}.ts`), code);
});

afterAll(() => rmSync(project, { recursive: true, force: true }));

describe.each([
  ['node16', 'node16'],
  ['bundler', 'esnext'],
])('with moduleResolution %s', (moduleResolution, module) => {
  it('every example of a README compiles, libraries checked', async () => {
    const options = {
      target: 'es2022',
      lib: ['es2023'],
      types: ['node'],
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      moduleDetection: 'force',
      module,
      moduleResolution,
      rootDir: 'src',
      outDir: `out-${moduleResolution}`,
    };
    const config = `tsconfig.${moduleResolution}.json`;
    writeFileSync(join(project, config), JSON.stringify({ compilerOptions: options, include: ['src'] }));
    const { stdout } = await run(bin('tsc'), ['-p', config], { cwd: project, timeoutMs: 600_000 });
    expect(stdout).toBe('');
  });
});

it('types in namespaces are types', async () => {
  mkdirSync(join(project, 'namespaces'));
  writeFileSync(
    join(project, 'namespaces/types.ts'),
    `import { gnmi, gnmiExt } from '@infra-offload/p4rt/proto';
import { felix, infra } from '@infra-offload/infra-api';
export const path: gnmi.Path = gnmi.Path.fromPartial({ elem: [{ name: 'interfaces' }] });
export const mode: gnmi.SubscriptionMode = gnmi.SubscriptionMode.SAMPLE;
export const extension: gnmiExt.Extension = gnmiExt.Extension.fromPartial({});
export const policy: felix.Policy = felix.Policy.fromPartial({});
export type Server = infra.InfraAgentServer;
// @ts-expect-error a path has elements, not a number of them
export const wrong: gnmi.Path = { elem: 5 };
`,
  );
  const args = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'node16', '--types', 'node'];
  const { stdout } = await run(bin('tsc'), [...args, 'namespaces/types.ts'], {
    cwd: project,
    timeoutMs: 600_000,
  });
  expect(stdout).toBe('');
});

describe('examples', () => {
  it.each(examples().filter(({ name }) => !NOT_RUN.has(name)))('$name runs', async ({ name }) => {
    const { code, stderr } = await run('node', [join(project, 'out-node16', `${name}.js`)], {
      cwd: project,
      input: '',
    });
    expect({ code, stderr: FAILS.has(name) ? '' : stderr }).toMatchObject({ code: FAILS.has(name) ? 1 : 0 });
  });
});

it.each(PACKAGES)('%s passes publint and are-the-types-wrong', async (folder) => {
  const name = folder.replace('packages/', '');
  await command(bin('publint'), ['--strict', join(project, 'node_modules/@infra-offload', name)]);
  const tarball = readdirSync(join(project, 'packed')).find((file) =>
    file.startsWith(`infra-offload-${name}-0`),
  );
  await command(bin('attw'), [
    `packed/${tarball}`,
    '--profile',
    'esm-only',
    '--no-emoji',
    '--format',
    'ascii',
  ]);
});
