import { Lifecycle } from '@infra-offload/service';
import { Gauge, Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLoggers } from '../log.js';
import { startMonitoring } from './monitoring.js';

const logger = createLoggers({ level: 'silent', modules: {} }).monitoring;
const TEXT = 'text/plain; charset=utf-8';
let registry: Registry;
let reason: string | undefined;
let lifecycle: Lifecycle;
let address: string | undefined;

const start = (at: string) =>
  startMonitoring(lifecycle, { address: at, registry, readiness: () => reason, logger });

beforeEach(async () => {
  registry = new Registry();
  reason = undefined;
  lifecycle = new Lifecycle();
  address = await start('127.0.0.1:0');
});
afterEach(() => lifecycle.stop());

async function get(path: string, method = 'GET') {
  const response = await fetch(`http://${address}${path}`, { method });
  const { status, headers } = response;
  return {
    status,
    type: headers.get('content-type'),
    cache: headers.get('cache-control'),
    body: await response.text(),
  };
}

describe('monitoring', () => {
  it('tells metrics, or why there are none', async () => {
    new Gauge({ name: 'answers', help: 'of it', registers: [registry] }).set(42);
    expect(await get('/metrics?a=b')).toEqual({
      status: 200,
      type: registry.contentType,
      cache: 'no-store',
      body: expect.stringContaining('answers 42'),
    });
    new Gauge({
      name: 'broken',
      help: 'always',
      registers: [registry],
      collect: () => {
        throw new Error('cannot be counted');
      },
    });
    expect(await get('/metrics')).toMatchObject({
      status: 500,
      type: TEXT,
      body: 'cannot be counted\n',
    });
  });

  it('says whether the manager is there, and ready', async () => {
    expect(await get('/healthz')).toMatchObject({
      status: 200,
      type: TEXT,
      body: 'ok\n',
    });
    expect(await get('/readyz')).toMatchObject({ status: 200, body: 'ok\n' });
    reason = 'the target is away';
    expect(await get('/readyz')).toMatchObject({
      status: 503,
      type: TEXT,
      body: 'the target is away\n',
    });
    expect(await get('/healthz')).toMatchObject({ status: 200 });
  });

  it('knows nothing else', async () => {
    expect(await get('/')).toMatchObject({
      status: 404,
      type: TEXT,
      body: 'there are /metrics, /healthz, /readyz\n',
    });
    expect(await get('/healthz', 'POST')).toMatchObject({
      status: 405,
      type: TEXT,
      body: 'only GET is served\n',
    });
    expect(await get('/healthz', 'HEAD')).toMatchObject({ status: 200, type: TEXT, body: '' });
  });

  it('says when its address is taken', async () => {
    await expect(start(`${address}`)).rejects.toMatchObject({
      code: 'CONFIG',
      message: expect.stringMatching(/^monitoring\.listen: cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/),
    });
  });

  it('is reached at an IPv6 address in brackets', async () => {
    const other = await start('[::1]:0');
    expect(other).toMatch(/^\[::1\]:[1-9]\d*$/);
    expect((await fetch(`http://${other}/healthz`)).status).toBe(200);
  });

  it('may be off', async () => {
    expect(await start('off')).toBeUndefined();
  });
});
