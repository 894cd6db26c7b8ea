import { Gauge, Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLoggers } from '../log.js';
import { HttpServer, splitAddress } from './http.js';

const logger = createLoggers({ level: 'silent', modules: {} }).metrics;
let registry: Registry;
let reason: string | undefined;
let server: HttpServer;

beforeEach(async () => {
  registry = new Registry();
  reason = undefined;
  server = await HttpServer.listen('127.0.0.1:0', registry, () => reason, logger);
});
afterEach(() => server.stop());

async function get(path: string, method = 'GET') {
  const response = await fetch(`http://${server.address}${path}`, { method });
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
    expect(await get('/metrics')).toMatchObject({ status: 500, body: 'cannot be counted\n' });
  });

  it('says whether the manager is there, and ready', async () => {
    expect(await get('/healthz')).toMatchObject({ status: 200, type: 'text/plain', body: 'ok\n' });
    expect(await get('/readyz')).toMatchObject({ status: 200, body: 'ok\n' });
    reason = 'the target is away';
    expect(await get('/readyz')).toMatchObject({ status: 503, body: 'the target is away\n' });
    expect(await get('/healthz')).toMatchObject({ status: 200 });
  });

  it('knows nothing else', async () => {
    expect(await get('/')).toMatchObject({ status: 404, body: 'here are /metrics, /healthz and /readyz\n' });
    expect(await get('/healthz', 'POST')).toMatchObject({ status: 405, body: 'only GET and HEAD\n' });
    expect(await get('/healthz', 'HEAD')).toMatchObject({ status: 200, body: '' });
  });

  it('says when its address is taken', async () => {
    await expect(HttpServer.listen(server.address, registry, () => undefined, logger)).rejects.toMatchObject({
      code: 'CONFIG',
      message: expect.stringMatching(/^metrics\.listen: cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/),
    });
  });

  it('is reached at an IPv6 address in brackets', async () => {
    const other = await HttpServer.listen('[::1]:0', registry, () => undefined, logger);
    expect(other.address).toMatch(/^\[::1\]:[1-9]\d*$/);
    expect((await fetch(`http://${other.address}/healthz`)).status).toBe(200);
    await other.stop();
  });
});

it.each([
  ['127.0.0.1:80', { host: '127.0.0.1', port: 80 }],
  ['[::1]:8080', { host: '::1', port: 8080 }],
  [':9100', { host: '', port: 9100 }],
])('%s is split', (address, parts) => expect(splitAddress(address)).toEqual(parts));
