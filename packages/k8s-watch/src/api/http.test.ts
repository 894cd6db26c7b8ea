import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Credentials } from './cluster-access.js';
import { KubernetesApiError } from './error.js';
import { ApiClient, type ApiRequest } from './http.js';

let directory: string;
let server: Server;
let answer: RequestListener;
let credentials: Credentials;
let client: ApiClient;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'k8s-http-'));
  server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  credentials = new Credentials({ type: 'kubeconfig', path: kubeconfig(origin()) });
  client = new ApiClient(credentials, 'an agent');
});
afterEach(() => {
  vi.restoreAllMocks();
  server.closeAllConnections();
  server.close();
  rmSync(directory, { recursive: true });
});

const origin = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

function kubeconfig(url: string, user: object = { token: 'secret' }): string {
  const path = join(directory, 'config');
  const config = {
    clusters: [{ name: 'c', cluster: { server: url } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'a', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'a',
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

async function get(options: Partial<ApiRequest> = {}, by = client): Promise<string> {
  const pieces: Uint8Array[] = [];
  const { signal } = new AbortController();
  const request = { path: 'api/v1/pods', query: {}, signal, answerMs: 60_000, silenceMs: 60_000, ...options };
  for await (const chunk of by.get(request)) pieces.push(chunk);
  return Buffer.concat(pieces).toString();
}

describe('a request', () => {
  it('goes below the path of the server, with what is asked for and who asks', async () => {
    const seen: unknown[] = [];
    answer = ({ url, headers }, response) => {
      seen.push(
        url,
        headers.authorization,
        headers.accept,
        headers['accept-encoding'],
        headers['user-agent'],
      );
      response.end('ok');
    };
    const path = kubeconfig(`${origin()}/clusters/c1/`);
    const below = new ApiClient(new Credentials({ type: 'kubeconfig', path }), 'an agent');
    const onAccepted = vi.fn();
    const query = { limit: '5', labelSelector: '!a,b=c', continue: undefined };
    expect(await get({ query, onAccepted }, below)).toBe('ok');
    expect(seen).toEqual([
      '/clusters/c1/api/v1/pods?limit=5&labelSelector=%21a%2Cb%3Dc',
      'Bearer secret',
      'application/json',
      'identity',
      'an agent',
    ]);
    expect(onAccepted).toHaveBeenCalledOnce();
  });

  it('closes its connection when nobody asks for the rest', async () => {
    let isClosed = false;
    answer = (_, response) => {
      response.once('close', () => {
        isClosed = true;
      });
      response.write('first');
    };
    const { signal } = new AbortController();
    const request = { path: 'p', query: {}, signal, answerMs: 60_000, silenceMs: 60_000 };
    for await (const chunk of client.get(request)) {
      expect(String(chunk)).toBe('first');
      break;
    }
    await expect.poll(() => isClosed).toBe(true);
  });
});

describe('an answer that is an error', () => {
  const failing = (status: number, body: string, headers: Record<string, string> = {}) => {
    answer = (_, response) => response.writeHead(status, headers).end(body);
    return expect(get({ onAccepted: () => expect.fail('accepted') })).rejects;
  };

  it('is told in the words of the server, or by the beginning of whatever it sends', async () => {
    const status = JSON.stringify({ kind: 'Status', message: 'no such thing' });
    await failing(404, status).toMatchObject({ code: 'NOT_SERVED', message: 'status 404: no such thing' });
    await failing(502, ' <p>\n  gone\n</p> ').toMatchObject({ message: 'status 502: <p> gone </p>' });
    await failing(502, 'x'.repeat(300)).toMatchObject({ message: `status 502: ${'x'.repeat(200)}` });
    await failing(500, 'null').toMatchObject({ message: 'status 500: null' });
    await failing(500, '').toMatchObject({ code: 'SERVER_ERROR', message: 'status 500' });
  });

  it.each([
    ['7', 7000],
    [' 0 ', 0],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['soon', undefined],
  ])('with Retry-After %j asks for a pause of %j ms', async (header, retryAfterMs) => {
    await failing(429, '', { 'retry-after': header }).toMatchObject({
      code: 'OVERLOADED',
      details: retryAfterMs === undefined ? { status: 429 } : { status: 429, retryAfterMs },
    });
  });

  it('asks for a pause until a date', async () => {
    // Dates have whole seconds.
    const date = new Date(Date.now() + 3_600_000).toUTCString();
    answer = (_, response) => response.writeHead(503, { 'retry-after': date }).end();
    const error: unknown = await get().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'OVERLOADED', details: { status: 503 } });
    const { retryAfterMs } = KubernetesApiError.is(error) ? error.details : {};
    expect(retryAfterMs).toBeGreaterThan(3_000_000);
    expect(retryAfterMs).toBeLessThanOrEqual(3_600_000);
  });

  it('is not read to an end that never comes', async () => {
    answer = (_, response) => {
      response.writeHead(500);
      const pour = () => {
        while (response.write('x'.repeat(1024)));
        response.once('drain', pour);
      };
      pour();
    };
    await expect(get()).rejects.toMatchObject({ message: `status 500: ${'x'.repeat(200)}` });
  });

  it('has the credentials read again if these are what is refused', async () => {
    const renew = vi.spyOn(credentials, 'renew');
    await failing(403, '').toMatchObject({ code: 'FORBIDDEN' });
    expect(renew).not.toHaveBeenCalled();
    await failing(401, '').toMatchObject({ code: 'UNAUTHORIZED' });
    expect(renew.mock.calls).toEqual([[1]]);
  });
});

describe('a connection', () => {
  it('that breaks is told with the server, and the credentials are read again', async () => {
    const renew = vi.spyOn(credentials, 'renew');
    answer = (request) => request.socket.destroy();
    await expect(get()).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: `${origin()}: socket hang up`,
    });
    expect(renew).toHaveBeenCalledOnce();
  });

  it('that ends too early is a failure, not the end', async () => {
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': '10' });
      response.write('12345', () => response.destroy());
    };
    await expect(get()).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });

  it('on which no answer begins, or nothing more comes, is given up', async () => {
    answer = () => {};
    await expect(get({ answerMs: 20 })).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: `${origin()}: nothing came for 0.02 s`,
    });
    answer = (_, response) => response.write('first');
    await expect(get({ silenceMs: 30 })).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: `${origin()}: nothing came for 0.03 s`,
    });
  });

  it('ends when nobody wants it any more, and is not said to be silent', async () => {
    const controller = new AbortController();
    answer = () => controller.abort();
    await expect(get({ signal: controller.signal })).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.not.stringContaining('nothing came'),
    });
    answer = () => expect.fail('asked');
    await expect(get({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });
});

describe('credentials', () => {
  it('that are not there in time, or not needed any more, are not waited for', async () => {
    vi.spyOn(credentials, 'forRequest').mockReturnValue(new Promise(() => {}));
    await expect(get({ answerMs: 20 })).rejects.toMatchObject({
      code: 'CREDENTIALS',
      message: 'the credentials are not there after 0.02 s',
    });
    const controller = new AbortController();
    const asked = get({ signal: controller.signal });
    controller.abort();
    await expect(asked).rejects.toMatchObject({
      code: 'CREDENTIALS',
      message: 'the credentials are no longer needed',
    });
  });

  it('that cannot be read are told with why', async () => {
    const tokenFile = join(directory, 'none');
    const path = kubeconfig('https://192.0.2.1', { tokenFile });
    await expect(new Credentials({ type: 'kubeconfig', path }).forRequest()).rejects.toMatchObject({
      code: 'CREDENTIALS',
      message: expect.stringMatching(/^the credentials cannot be read: .*none/),
    });
  });

  it('go over TLS to servers that prove who they are only', async () => {
    const path = kubeconfig('https://192.0.2.1:6443');
    const { server: url, options } = await new Credentials({ type: 'kubeconfig', path }).forRequest();
    expect(url.href).toBe('https://192.0.2.1:6443/');
    expect(options.rejectUnauthorized).not.toBe(false);
    expect(options.headers).toEqual({ Authorization: 'Bearer secret' });
  });

  it('are loaded once, and again when the file changes or they are refused', async () => {
    const generation = async () => (await credentials.forRequest()).generation;
    expect(await generation()).toBe(1);
    expect(await generation()).toBe(1);
    credentials.renew(1);
    expect(await generation()).toBe(2);
    // What was refused has been replaced already.
    credentials.renew(1);
    expect(await generation()).toBe(2);
    kubeconfig(origin(), { token: 'another one' });
    const { generation: third, options } = await credentials.forRequest();
    expect([third, options.headers]).toEqual([3, { Authorization: 'Bearer another one' }]);
    // A file that is being replaced is not there for a moment.
    rmSync(join(directory, 'config'));
    expect(await generation()).toBe(3);
  });

  it('are those of the pod in a cluster, if both variables say so', async () => {
    const inCluster = () => new Credentials({ type: 'in-cluster' }).check();
    try {
      vi.stubEnv('KUBERNETES_SERVICE_HOST', '192.0.2.1');
      vi.stubEnv('KUBERNETES_SERVICE_PORT', undefined);
      await expect(inCluster()).rejects.toMatchObject({ code: 'CONFIG' });
      vi.stubEnv('KUBERNETES_SERVICE_PORT', '443');
      await expect(inCluster()).resolves.toBeUndefined();
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
