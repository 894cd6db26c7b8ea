import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { applySecrets, formatSecrets, secretManifests } from './secrets.js';
import { Scratch } from './testing/scratch.js';
import { createTree } from './tree.js';

const scratch = new Scratch();
afterAll(() => scratch.remove());

it('Secrets go to kubectl on standard input, and its failure is told in one line', async () => {
  const root = join(scratch.directory, 'tree');
  await createTree(root, { bits: 2048 });
  const manifests = secretManifests(root);
  const kubectl = join(scratch.directory, 'kubectl');
  const taken = join(scratch.directory, 'taken');
  writeFileSync(kubectl, `#!/bin/sh\necho "$@" > ${taken}\ncat >> ${taken}\necho applied\n`);
  chmodSync(kubectl, 0o755);
  expect(applySecrets(manifests, kubectl)).toBe('applied\n');
  expect(readFileSync(taken, 'utf8')).toBe(
    `apply --server-side --force-conflicts --field-manager=tls-certs -f -\n${formatSecrets(manifests)}`,
  );
  writeFileSync(kubectl, '#!/bin/sh\ncat >/dev/null\necho "no cluster\nhere" >&2\nexit 1\n');
  expect(() => applySecrets([], kubectl)).toThrow(
    expect.objectContaining({
      code: 'KUBECTL',
      message: expect.stringMatching(/apply failed: no cluster; here$/),
    }),
  );
  expect(() => applySecrets([], '/nowhere/kubectl')).toThrow(/cannot be run: it is not installed/);
});
