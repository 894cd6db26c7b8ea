import fs, { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ManifestsSource } from './manifests-source.js';

beforeEach(() => {
  vi.spyOn(fs, 'watch').mockImplementation(() => {
    throw new Error('ENOSPC: System limit for number of file watchers reached');
  });
  syncBuiltinESMExports();
});
afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

it('sees changes by polling where nothing can be watched, and tells', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'manifests-'));
  const source = new ManifestsSource({ directory });
  try {
    await source.start();
    expect(source.problems.map(({ code }) => code)).toEqual(['WATCH_FAILED']);
    const service =
      'apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}';
    writeFileSync(join(directory, 'a.yaml'), service);
    await expect.poll(() => source.services.size).toBe(1);
  } finally {
    await source.stop();
    rmSync(directory, { recursive: true });
  }
});
