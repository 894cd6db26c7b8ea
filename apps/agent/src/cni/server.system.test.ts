import { statSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Harness } from '../testing/harness.js';
import { eventually } from '../testing/network.js';
import { KeyedLock } from './keyed-lock.js';

let harness: Harness;

beforeEach(async () => {
  harness = await new Harness().start(2);
});

afterEach(async () => {
  await harness.stop();
});

function post(path: string, body: string, method = 'POST'): Promise<{ status: number; json: object }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath: harness.socket, path, method }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, json: JSON.parse(text) }));
    });
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(harness.socket, () => socket.write(text));
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    socket.once('close', () => resolve(answer));
    socket.once('error', reject);
  });
}

const attach = {
  containerId: 'c1',
  ifname: 'eth0',
  netns: '/var/run/netns/none',
  network: 'pods',
  pod: { namespace: '', name: '' },
  address: '10.0.0.1',
  routes: [],
};

describe('CniServer', () => {
  it('is open to its own user only', () => {
    expect(statSync(harness.socket).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['/v1/attach', '{', 6, /the request is not JSON/],
    ['/v1/attach', '[]', 7, /request: /],
    ['/v1/attach', '{}', 7, /containerId: .*ifname: /],
    ['/v1/attach', JSON.stringify({ ...attach, address: 'fd00::1' }), 7, /address: is not an IPv4 address/],
    [
      '/v1/attach',
      JSON.stringify({ ...attach, containerId: 'c'.repeat(249) }),
      4,
      /CNI_CONTAINERID has 249 characters/,
    ],
    [
      '/v1/attach',
      JSON.stringify({ ...attach, ifname: 'a b' }),
      7,
      /ifname: CNI_IFNAME 'a b' has white space/,
    ],
    ['/v1/attach', JSON.stringify({ ...attach, netns: 'x' }), 7, /netns: .*absolute/],
    [
      '/v1/attach',
      JSON.stringify({ ...attach, routes: [{ dst: 'x\nlink delete dev eth0' }] }),
      7,
      /routes\.0\.dst: /,
    ],
    ['/v1/attach', JSON.stringify({ ...attach, mtu: 10 }), 7, /mtu: /],
    ['/v1/attach', JSON.stringify({ ...attach, colour: 'red' }), 7, /colour/],
    ['/v1/garbage', '{"network":"pods"}', 7, /valid: /],
    ['/v1/attach', '{"a":'.repeat(5_000), 6, /nested more than 100 levels deep/],
    ['/v1/garbage', JSON.stringify({ network: 'pods', valid: Array(20).fill(1) }), 7, /and 10 more$/],
    ['/v1/paint', '{}', 6, /no operation \/v1\/paint/],
    ['/', '', 6, /no operation/],
    ['/v1/detach', 'x'.repeat(1024 * 1024 + 1), 6, /longer than/],
  ])('answers 400 to %s %.40s', async (path, body, code, message) => {
    const { status, json } = await post(path, body);
    expect(status).toBe(400);
    expect(json).toMatchObject({ cniVersion: '1.1.0', code, msg: expect.stringMatching(message) });
  });

  it('answers 400 to other methods, and to what is no HTTP, and goes on', async () => {
    expect((await post('/v1/status', '', 'PUT')).status).toBe(400);
    expect(await raw('hello\r\n\r\n')).toMatch(/^HTTP\/1\.1 400/);
    expect((await post('/v1/status', '{}')).status).toBe(200);
  });

  it('changes levels of the log', async () => {
    const { status, json } = await post('/v1/loglevel', '{"level":"error","modules":{"sync":"trace"}}');
    expect([status, json]).toMatchObject([200, { agent: 'error', cni: 'error', sync: 'trace' }]);
    for (const [body, message] of [
      ['{"level":"loud"}', /level: /],
      ['{"modules":{"snyc":"debug"}}', /modules/],
      ['{"sync":"debug"}', /"sync"/],
      ['[]', /expected object/i],
    ] as const) {
      const refused = await post('/v1/loglevel', body);
      expect([refused.status, refused.json]).toMatchObject([400, { msg: expect.stringMatching(message) }]);
    }
    expect((await post('/v1/loglevel', '{}')).json).toMatchObject({ agent: 'error', sync: 'trace' });
  });

  it('survives a client that goes away in the middle', async () => {
    const socket = connect(harness.socket, () => {
      socket.write('POST /v1/attach HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{');
      setTimeout(() => socket.destroy(), 20);
    });
    await new Promise((resolve) => socket.once('close', resolve));
    await Promise.all(Array.from({ length: 20 }, () => post('/v1/status', '{}')));
    await eventually(async () => (await post('/v1/status', '{}')).status === 200, 'an answer');
  });

  it('names the running attachment with the HTTP status', async () => {
    const body = JSON.stringify({
      containerId: 'c1',
      ifname: 'eth0',
      netns: '/var/run/netns/x',
      addresses: [],
    });
    expect(await post('/v1/check', body)).toMatchObject({ status: 404, json: { code: 3 } });
    expect(await post('/v1/detach', '{"containerId":"c1","ifname":"eth0"}')).toEqual({
      status: 200,
      json: {},
    });
  });
});

describe('MonitoringServer', () => {
  const get = async (path: string, init = {}) => {
    const response = await fetch(`http://${harness.agent?.monitoringAddress}${path}`, init);
    return { status: response.status, text: await response.text() };
  };

  it('tells health, readiness and metrics', async () => {
    expect(await get('/healthz')).toMatchObject({
      status: 200,
      text: expect.stringMatching(/"nodeEligible":true/),
    });
    expect(await get('/readyz')).toEqual({ status: 200, text: 'ready\n' });
    await post('/v1/status', '{}');
    const { text } = await get('/metrics');
    expect(text).toMatch(/^infra_agent_sync_up 1$/m);
    expect(text).toMatch(/^infra_agent_wanted_objects 1$/m);
    expect(text).toMatch(/^infra_agent_pool_interfaces\{state="free"\} 1$/m);
    expect(text).toMatch(/infra_agent_cni_request_duration_seconds_count\{operation="status",code="0"\} 1/);
    expect((await get('/nothing')).status).toBe(404);
    expect((await get('/healthz', { method: 'POST' })).status).toBe(405);
  });

  it('names what the agent waits for', async () => {
    harness.manager.kill();
    await eventually(async () => (await get('/readyz')).status === 503, 'not ready');
    expect((await get('/readyz')).text).toMatch(/infra-manager is not connected/);
    expect((await get('/healthz')).status).toBe(200);
  });
});

describe('KeyedLock', () => {
  it('runs the tasks of a key in order, also after one has failed, and others beside them', async () => {
    const lock = new KeyedLock();
    const events: string[] = [];
    let finishFirst = () => {};
    const first = new Promise<void>((resolve) => {
      finishFirst = resolve;
    });
    const task = (name: string, until?: Promise<void>) => async () => {
      events.push(`${name}+`);
      await until;
      events.push(`${name}-`);
      if (name === 'a1') throw new Error('a1');
    };
    const [a1, a2] = [lock.run('a', task('a1', first)), lock.run('a', task('a2'))];
    await lock.run('b', task('b'));
    finishFirst();
    const results = await Promise.allSettled([a1, a2]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(events).toEqual(['a1+', 'b+', 'b-', 'a1-', 'a2+', 'a2-']);
  });
});
