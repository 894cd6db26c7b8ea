import { MonitoringServer } from '@infra-offload/service';
import { pino } from 'pino';
import { afterEach, expect, it } from 'vitest';
import { ProxyHealthServer } from './proxy-health-server.js';

const lines: string[] = [];
const logger = pino({ base: null }, { write: (line: string) => lines.push(JSON.parse(line).msg) });
const routes = (body: string) => ({ '/healthz': () => ({ status: 200, body }) });
const textOf = async (address: string | undefined) => (await fetch(`http://${address}/healthz`)).text();

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
  lines.length = 0;
});

async function kubeProxy(): Promise<MonitoringServer> {
  const options = { setting: 'of kube-proxy', address: '127.0.0.1:0', routes: routes('kube-proxy'), logger };
  const server = await MonitoringServer.start(options);
  running.push(server);
  return server;
}

async function start(address: string): Promise<ProxyHealthServer> {
  const server = await ProxyHealthServer.start({ address, routes: routes('agent'), logger, retryMs: 5 });
  running.push(server);
  return server;
}

it('serves at once where nobody else does', async () => {
  const server = await start('127.0.0.1:0');
  expect(await textOf(server.address)).toBe('agent');
  expect(server.problem).toBeUndefined();
  expect(lines).toEqual([]);
});

it('waits for kube-proxy to go, says so once, and takes over', async () => {
  const other = await kubeProxy();
  const { address } = other;
  const server = await start(address);
  expect(server.address).toBeUndefined();
  expect(server.problem).toMatch(
    /^healthzAddress: cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE.*kube-proxy/,
  );
  expect(await textOf(address)).toBe('kube-proxy');
  await other.stop();
  await expect.poll(() => server.address).toBe(address);
  expect(await textOf(address)).toBe('agent');
  expect(server.problem).toBeUndefined();
  expect(lines).toEqual(['health is not served; trying again', 'health is served now']);
});

it('stops while it waits', async () => {
  const other = await kubeProxy();
  const server = await start(other.address);
  await server.stop();
  expect(await textOf(other.address)).toBe('kube-proxy');
});

it('refuses an address that is not of this node', async () => {
  await expect(start('192.0.2.1:0')).rejects.toMatchObject({ code: 'CONFIG' });
});
