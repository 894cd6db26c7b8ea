import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FaultRun } from '../fault-test.js';
import { Trial } from './trial.js';
import { mutateYaml } from './yaml.js';

/**
 * Has something load damaged YAML files. Each is taken, or refused with an error of `type` whose message is one line that
 * begins with the file. Returns what it measured.
 */
export function tryYamlFiles(
  { cases, random }: FaultRun,
  texts: readonly string[],
  load: (file: string) => unknown,
  type: { is(error: unknown): error is Error },
): string {
  const directory = mkdtempSync(join(tmpdir(), 'faults-yaml-'));
  const file = join(directory, 'config.yaml');
  try {
    const trial = new Trial((error) => {
      if (!type.is(error) || error.message.includes('\n')) return false;
      return [`${file}:`, `${file}, `].some((start) => error.message.startsWith(start));
    });
    for (let left = cases; left > 0; left--) {
      trial.try(mutateYaml(random, random.pick(texts)), (text) => {
        writeFileSync(file, text);
        return load(file);
      });
    }
    return trial.measured;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
