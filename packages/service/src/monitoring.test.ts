import { pino } from 'pino';
import { Counter, Registry } from 'prom-client';
import { afterEach, expect, it } from 'vitest';
import { MonitoringServer, metricsRoute, monitoringSchema } from './monitoring.js';

const logger = pino({ level: 'silent' });
let server: MonitoringServer | undefined;
afterEach(async () => {
  await server?.stop();
});

async function start() {
  const registry = new Registry();
  new Counter({ name: 'requests_total', help: 'requests', registers: [registry] }).inc(3);
  server = await MonitoringServer.start({
    setting: 'monitoring.listen',
    address: '127.0.0.1:0',
    routes: {
      '/metrics': metricsRoute(registry),
      '/readyz': async () => ({ status: 503, body: 'not yet\n' }),
      '/broken': () => {
        throw new Error('it is broken');
      },
    },
    logger,
  });
  const { address } = server;
  return async (path: string, init?: RequestInit) => {
    const response = await fetch(`http://${address}${path}`, init);
    return {
      status: response.status,
      text: await response.text(),
      type: response.headers.get('content-type'),
    };
  };
}

it('serves metrics and health', async () => {
  const ask = await start();
  expect(await ask('/metrics')).toMatchObject({
    status: 200,
    text: expect.stringContaining('requests_total 3'),
  });
  expect(await ask('/readyz?verbose')).toEqual({
    status: 503,
    text: 'not yet\n',
    type: 'text/plain; charset=utf-8',
  });
  expect(await ask('/readyz', { method: 'HEAD' })).toMatchObject({ status: 503, text: '' });
});

it('answers everything else, too', async () => {
  const ask = await start();
  expect(await ask('/')).toMatchObject({ status: 404, text: 'there are /metrics, /readyz, /broken\n' });
  expect((await ask('/__proto__')).status).toBe(404);
  expect(await ask('/readyz', { method: 'POST' })).toMatchObject({
    status: 405,
    text: 'only GET is served\n',
  });
  expect(await ask('/broken')).toMatchObject({ status: 500, text: 'it is broken\n' });
});

it('names the setting if it cannot listen', async () => {
  await start();
  const again = { setting: 'monitoring.listen', address: server?.address ?? '', routes: {}, logger };
  await expect(MonitoringServer.start(again)).rejects.toMatchObject({
    code: 'CONFIG',
    message: expect.stringMatching(/^monitoring\.listen: cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/),
  });
});

it('may be off', () => {
  const schema = monitoringSchema('127.0.0.1:9');
  expect(schema.parse(undefined)).toEqual({ listen: '127.0.0.1:9' });
  expect(schema.parse({ listen: false })).toEqual({ listen: 'off' });
  expect(schema.safeParse({ listen: 'nowhere' }).error?.issues[0]?.message).toMatch(
    /^is not of the form host:port/,
  );
});
