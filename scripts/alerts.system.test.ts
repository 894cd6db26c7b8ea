import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT, read } from './docs/files.js';

const names = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, name]) => name);
const alerts = names(read('deploy/monitoring/rules.yaml'), /- alert: (\w+)/g);

it('every alert has a case in which it fires, and a row in docs/monitoring.md', () => {
  expect(alerts.length).toBeGreaterThan(15);
  expect(names(read('deploy/monitoring/rules.test.yaml'), /alertname="(\w+)"/g)).toEqual(alerts);
  expect(names(read('docs/monitoring.md'), /^\| `(Infra[A-Z]\w+)` \|/gm)).toEqual(alerts);
});

const isInstalled = spawnSync('promtool', ['--version']).status === 0;

describe.skipIf(!isInstalled)('Prometheus itself', () => {
  it.each([
    ['check', 'rules', 'rules.yaml'],
    ['test', 'rules', 'rules.test.yaml'],
  ])('%s %s %s', (...args) => {
    const { status, stdout, stderr } = spawnSync('promtool', args, {
      cwd: join(ROOT, 'deploy/monitoring'),
      encoding: 'utf8',
    });
    expect({ status, said: status === 0 ? '' : stdout + stderr }).toEqual({ status: 0, said: '' });
  });
});
