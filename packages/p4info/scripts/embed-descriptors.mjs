// Embeds the descriptors of proto/ as TypeScript: they drive the text format reader and the binary check.
// Hermetic: buf comes from node_modules, nothing is fetched. Run by `pnpm generate`, after the wire code.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'p4info-descriptors-'));
try {
  const image = join(directory, 'p4info.binpb');
  const args = [
    'build',
    'packages/p4info/proto',
    '--as-file-descriptor-set',
    '--exclude-source-info',
    '-o',
    image,
  ];
  execFileSync(join(root, 'node_modules/.bin/buf'), args, { cwd: root, stdio: 'inherit' });
  const base64 = readFileSync(image).toString('base64');
  const source = `// Written by scripts/embed-descriptors.mjs. Do not edit.
/** A google.protobuf.FileDescriptorSet with p4/config/v1/p4info.proto and its imports, in base64. */
export const descriptorSetBase64 =
  '${base64}';
`;
  writeFileSync(new URL('../src/gen/descriptor-set.ts', import.meta.url), source);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
