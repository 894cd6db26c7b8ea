import { LogLevels, MonitoringServer } from '@infra-offload/service';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { createLoggers } from '../log.js';
import { ProxyHealth } from './proxy-health.js';
import { monitoringRoutes } from './routes.js';

const logger = pino({ level: 'silent' });
let server: MonitoringServer | undefined;

afterEach(async () => {
  await server?.stop();
});

/** What the agent would know, to be changed by tests. */
function world() {
  const registry = new Registry();
  const state = {
    now: 1_000_000,
    pendingSince: undefined as number | undefined,
    isLeaving: false,
    problems: [] as string[],
    warnings: [] as string[],
    calico: [] as string[],
  };
  const health = new ProxyHealth({
    pendingSince: () => state.pendingSince,
    lastApplied: () => 500_000,
    isLeaving: () => state.isLeaving,
    registry,
    now: () => state.now,
  });
  const loggers = createLoggers({ level: 'info', modules: { sync: 'warn' } }, { write: () => {} });
  return { registry, state, health, loggers };
}

async function start() {
  const { registry, state, health, loggers } = world();
  const routes = monitoringRoutes({
    registry,
    health,
    levels: new LogLevels(loggers),
    readiness: { problems: () => state.problems, warnings: () => state.warnings },
    calicoProblems: async () => state.calico,
  });
  server = await MonitoringServer.start({
    setting: 'monitoring.listen',
    address: '127.0.0.1:0',
    routes,
    logger,
  });
  const url = `http://${server.address}`;
  const ask = async (path: string, init?: RequestInit) => {
    const response = await fetch(`${url}${path}`, init);
    return { status: response.status, text: await response.text() };
  };
  return { state, loggers, ask, registry };
}

describe('/healthz and /livez', () => {
  it('are good when nothing waits, and for a minute when something does', async () => {
    const { state, ask } = await start();
    const answer = {
      lastUpdated: '1970-01-01T00:16:40.000Z',
      currentTime: '1970-01-01T00:16:40.000Z',
      nodeEligible: true,
    };
    const good = await ask('/healthz');
    expect([good.status, JSON.parse(good.text)]).toEqual([200, answer]);
    state.pendingSince = state.now - 60_000;
    expect((await ask('/healthz')).status).toBe(200);
    state.pendingSince -= 1;
    const bad = await ask('/healthz');
    expect([bad.status, JSON.parse(bad.text)]).toEqual([
      503,
      { ...answer, lastUpdated: '1970-01-01T00:08:20.000Z' },
    ]);
    expect((await ask('/livez')).status).toBe(503);
  });

  it('differ when the node is leaving', async () => {
    const { state, ask, registry } = await start();
    state.isLeaving = true;
    const healthz = await ask('/healthz');
    expect([healthz.status, JSON.parse(healthz.text).nodeEligible]).toEqual([503, false]);
    const livez = await ask('/livez');
    expect([livez.status, JSON.parse(livez.text).nodeEligible]).toEqual([200, undefined]);
    const metrics = await registry.metrics();
    expect(metrics).toMatch(/^kubeproxy_proxy_healthz_total\{code="503"\} 1$/m);
    expect(metrics).toMatch(/^kubeproxy_proxy_livez_total\{code="200"\} 1$/m);
  });
});

describe('/readyz and /check', () => {
  it('say what is missing', async () => {
    const { state, ask } = await start();
    expect(await ask('/readyz')).toEqual({ status: 200, text: 'ready\n' });
    expect(await ask('/check')).toEqual({ status: 200, text: 'ok\n' });
    state.warnings = ['an open door'];
    expect(await ask('/readyz')).toEqual({ status: 200, text: 'ready\nwarning: an open door\n' });
    state.problems = ['no manager', 'no target'];
    state.calico = ['no manager'];
    expect(await ask('/readyz')).toEqual({
      status: 503,
      text: 'no manager\nno target\nwarning: an open door\n',
    });
    expect(await ask('/check')).toEqual({ status: 500, text: 'no manager\n' });
  });
});

describe('/loglevel', () => {
  it('tells levels, and changes none', async () => {
    const { ask, loggers } = await start();
    expect(JSON.parse((await ask('/loglevel')).text)).toMatchObject({ agent: 'info', sync: 'warn' });
    expect((await ask('/loglevel', { method: 'PUT', body: '{"level":"silent"}' })).status).toBe(405);
    expect(new LogLevels(loggers).current()).toMatchObject({ agent: 'info', sync: 'warn' });
  });
});

describe('other requests', () => {
  it('are told what there is', async () => {
    const { ask } = await start();
    expect(await ask('/')).toMatchObject({
      status: 404,
      text: expect.stringMatching(/\/metrics, \/healthz/),
    });
    expect((await ask('/__proto__')).status).toBe(404);
    expect(await ask('/healthz', { method: 'POST' })).toEqual({ status: 405, text: 'only GET is served\n' });
    expect(await ask('/healthz', { method: 'PUT' })).toEqual({ status: 405, text: 'only GET is served\n' });
    expect(await ask('/readyz', { method: 'HEAD' })).toEqual({ status: 200, text: '' });
  });
});
