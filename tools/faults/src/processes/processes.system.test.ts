import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { freeze } from './freeze.js';
import { childrenOf, usageOf } from './usage.js';

it('counts descriptors, memory and children', async () => {
  const before = usageOf(process.pid);
  const descriptor = openSync('/dev/null', 'r');
  const child = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'] });
  await once(child, 'spawn');
  const during = usageOf(process.pid);
  expect(during.descriptors).toBeGreaterThanOrEqual(before.descriptors + 2);
  expect(during.residentMb).toBeGreaterThan(10);
  expect(childrenOf(process.pid)).toContain(child.pid);
  closeSync(descriptor);
  child.kill();
  await once(child, 'exit');
  expect(childrenOf(process.pid)).not.toContain(child.pid);
});

it('freezes a process for a while', async () => {
  const child = spawn('cat', { stdio: ['pipe', 'pipe', 'ignore'] });
  await once(child, 'spawn');
  const state = () => /^State:\s+(\w)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
  const frozen = freeze(child.pid ?? 0, 50);
  while (state() !== 'T') await new Promise(setImmediate);
  await frozen;
  child.stdin?.write('on it goes');
  const [answer] = await once(child.stdout ?? child, 'data');
  expect(String(answer)).toBe('on it goes');
  child.kill();
});
