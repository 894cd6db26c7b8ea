import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { outputOf } from '../interfaces/command-output.js';
import { installPlugin } from './plugin-files.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'infra-offload-install-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

it('the plugin on a node runs with the Node.js that was installed beside it', async () => {
  const source = join(root, 'infra-cni.js');
  await writeFile(source, '#!/usr/bin/env node\nconsole.log(process.version);\n');
  await installPlugin(source, { root, binDirectory: '/opt/cni/bin', nodeDirectory: '/opt/infra/bin' });
  const output = await outputOf(join(root, '/opt/infra/bin/node'), [join(root, '/opt/cni/bin/infra-cni')]);
  expect(output.trim()).toBe(process.version);
});
