/** Peers whose machine or network is gone: nothing is heard of them any more, while they are being written to. */
import { randomBytes } from 'node:crypto';
import { faultTest, usageOf } from '@infra-offload/faults';
import { AbuseClient, grpcHeaders, headers, message, settings } from '@infra-offload/faults/http2';
import { eventually, must, NetworkNamespace, programs, run, ServiceProcess } from '@infra-offload/testbed';
import { afterAll, beforeAll, expect } from 'vitest';
import { TlsFixture } from '../tls-fixture.js';

/** Of the test alone: 198.18.0.0/15 is for benchmarks (RFC 2544). */
const SERVER = '198.18.77.1';
const CLIENT = '198.18.77.2';
const CHANNEL = '/p4.v1.P4Runtime/StreamChannel';

const fixture = new TlsFixture();
const id = randomBytes(3).toString('hex');
const link = `vp${id}`;
let namespace: NetworkNamespace;
let softswitch: ServiceProcess;

beforeAll(async () => {
  namespace = await NetworkNamespace.create(`iof-vp-${id}`);
  await must('ip', ['link', 'add', link, 'type', 'veth', 'peer', 'name', link, 'netns', namespace.name]);
  await must('ip', ['address', 'add', `${CLIENT}/30`, 'dev', link]);
  await must('ip', ['link', 'set', link, 'up']);
  await namespace.must('ip', ['address', 'add', `${SERVER}/30`, 'dev', link]);
  await namespace.must('ip', ['link', 'set', link, 'up']);
  const args = ['--p4runtime', `${SERVER}:9559`, '--gnmi', `${SERVER}:9339`, '--taps', '0'];
  softswitch = new ServiceProcess(
    'softswitch',
    namespace,
    programs.softswitch,
    [...args, '--tls-mode', 'insecure', '--run-directory', fixture.path('run')],
    fixture.path('softswitch.log'),
  );
  await softswitch.start(async () => {
    const client = await AbuseClient.connect({ address: `${SERVER}:9559` }).catch(() => undefined);
    client?.destroy();
    return client !== undefined;
  });
});
afterAll(async () => {
  await softswitch?.stop('SIGINT');
  await run('ip', ['link', 'del', link]);
  await namespace?.remove();
  await fixture.remove();
});

faultTest(
  {
    fault: 'clients with open calls that vanish from the network',
    promise: 'the descriptors that the server had for them are free again',
    sample: 40,
    most: 60,
  },
  async ({ cases }) => {
    const pid = softswitch.pid ?? 0;
    const { descriptors } = usageOf(pid);
    const clients = await Promise.all(
      Array.from({ length: cases }, async () => {
        const client = await AbuseClient.open({ address: `${SERVER}:9559` }, settings());
        const arbitration = Buffer.from([0x0a, 0x02, 0x08, 0x01]);
        await client.send(Buffer.concat([headers(1, grpcHeaders(CHANNEL)), message(1, arbitration, false)]));
        await client.answered;
        return client;
      }),
    );
    expect(usageOf(pid).descriptors).toBeGreaterThan(descriptors + cases / 2);
    await must('ip', ['link', 'set', link, 'down']);
    const started = performance.now();
    await eventually(
      'their descriptors to be free',
      async () => usageOf(pid).descriptors <= descriptors || undefined,
      { timeoutMs: 60_000 },
    );
    const took = performance.now() - started;
    await must('ip', ['link', 'set', link, 'up']);
    for (const client of clients) client.destroy();
    return `freed after ${(took / 1000).toFixed(1)} s`;
  },
);
