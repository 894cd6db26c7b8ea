import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { mutateYaml, Random } from '@infra-offload/faults';
import { describe, expect, it } from 'vitest';
import { readDocuments } from './documents.js';
import { MANIFEST_LIMITS } from './limits.js';
import { KUBECTL_READS, KUBECTL_WAVERS } from './testing/kubectl-readings.js';

const HEAD = 'apiVersion: example.com/v1\nkind: Example\nmetadata: {name: a}\n';

const read = (text: string) =>
  [...readDocuments(text, { limits: MANIFEST_LIMITS })].map(({ value }) => value);

/** kubectl in KUBE_BIN or PATH. */
const kubectl = [process.env.KUBE_BIN ?? '', ...(process.env.PATH ?? '').split(delimiter)]
  .map((directory) => join(directory, 'kubectl'))
  .find((file) => existsSync(file));

/** The objects that kubectl reads in a text, or undefined if it refuses it; no server is asked. */
function readByKubectl(text: string): unknown[] | undefined {
  const { status, stdout } = spawnSync(
    kubectl ?? '',
    ['annotate', '--local', '-o', 'json', '-f', '-', 'x=y'],
    {
      input: text,
      encoding: 'utf8',
      env: { HOME: tmpdir() },
    },
  );
  return status === 0 ? read(stdout).map(withoutAnnotations) : undefined;
}

function withoutAnnotations(object: unknown): unknown {
  const copy = JSON.parse(JSON.stringify(object));
  delete copy.metadata?.annotations;
  return copy;
}

const BODY = `spec:
  ports:
    - name: http # the port
      port: 0120
    - {name: dns, port: 53, protocol: "UDP"}
  selector: {app: web, on: yes}
text: |
  one
  two: x

base: &base
  a: 1_000
  b: ["x\\t\\u00e9", 'it''s', ~]
derived:
  <<: *base
  b: 12:30:45
list:
- *base
- ? k
  : 2001-12-14
`;

describe.skipIf(kubectl === undefined)('kubectl, asked now', () => {
  it('reads the recorded values so', () => {
    for (const [text, value] of KUBECTL_READS.filter((_, index) => index % 10 === 0)) {
      if (KUBECTL_WAVERS.includes(text)) continue;
      expect(readByKubectl(`${HEAD}spec: ${text}\n`), text).toEqual([
        expect.objectContaining({ spec: value }),
      ]);
    }
  });

  it('reads damaged YAML as this package does, wherever both read it', () => {
    const random = new Random(7);
    let both = 0;
    for (let index = 0; index < 100; index++) {
      const text = HEAD + mutateYaml(random, BODY);
      let ours: unknown[];
      try {
        ours = read(text);
      } catch {
        continue;
      }
      const theirs = readByKubectl(text);
      if (theirs === undefined) continue;
      both++;
      expect(ours.filter((value) => value !== null).map(withoutAnnotations), text).toEqual(theirs);
    }
    expect(both).toBeGreaterThan(10);
  });
});
