import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { calicoConfigCheck, managerCheck, parseDuration, waitFor } from './checks.js';
import { configSchema } from './config/schema.js';
import { FakeManager } from './testing/fake-manager.js';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infra-agent-checks-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe('waitFor', () => {
  it('waits until the check succeeds, or tells what the last one said', async () => {
    let runs = 0;
    expect(await waitFor(async () => (++runs < 3 ? 'not yet' : undefined), 0)).toBeUndefined();
    expect(runs).toBe(3);
    expect(await waitFor(async () => 'never', 50)).toBe('never');
  });
});

describe('managerCheck', () => {
  it('asks the manager whether it serves', async () => {
    const manager = await new FakeManager().start();
    const check = managerCheck(
      configSchema.parse({ managerAddress: manager.address, tls: { mode: 'insecure' } }),
    );
    await expect.poll(check).toBeUndefined();
    manager.health.setStatus('', 'NOT_SERVING');
    await expect.poll(check).toMatch(/is not serving: it says NOT_SERVING/);
    manager.kill();
    await expect.poll(check).toMatch(/is not serving: .*ECONNREFUSED/);
  });
});

describe('calicoConfigCheck', () => {
  const write = (name: string, value: unknown) =>
    writeFileSync(join(directory, name), typeof value === 'string' ? value : JSON.stringify(value));
  const calico = (options: object) => ({
    cniVersion: '0.3.1',
    name: 'k8s-pod-network',
    plugins: [{ type: 'calico', dataplane_options: options }, { type: 'portmap' }],
  });
  const check = (listen?: string) =>
    calicoConfigCheck(directory, { calico: listen ? { listen } : undefined })();

  it('finds the configuration that sends Calico here', async () => {
    expect(await calicoConfigCheck('/nonexistent', { calico: undefined })()).toMatch(/cannot be read/);
    expect(await check()).toMatch(/there is no CNI configuration in/);
    write('05-broken.conflist', '{');
    write('07-other.conf', { type: 'bridge' });
    write('10-calico.conflist', calico({ type: 'linux' }));
    expect(await check()).toMatch(
      /05-broken.*; .*07-other\.conf: no plugin of type calico; .*10-calico.*not of type grpc/,
    );
    write('10-calico.conflist', calico({ type: 'grpc', socket: '127.0.0.1:50001' }));
    expect(await check()).toBeUndefined();
    expect(await check('127.0.0.1:50001')).toBeUndefined();
    const own = 'unix:///var/run/calico/cni-server.sock';
    expect(await check(own)).toMatch(
      /socket "127\.0\.0\.1:50001", but the agent serves Calico on "unix:.*": write that there/,
    );
  });
});

describe('parseDuration', () => {
  it.each([
    ['0', 0],
    ['30', 30_000],
    ['0s', 0],
    ['1m30s', 90_000],
    ['1.5h', 5_400_000],
    ['250ms', 250],
    ['', undefined],
    ['1d', undefined],
    ['-1s', undefined],
    ['s', undefined],
  ])('%j is %j ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });
});
