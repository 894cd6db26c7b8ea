import { ADDRESSES, addServers, infractl, scaleService, Testbed, type TestPod } from '@infra-offload/testbed';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HTTP, WEB } from './web.js';

const SHARE = 100;
const HELD = 60;
/** Longer than the manager takes to look at flows again, twice. */
const PATIENCE_MS = 15_000;

let bed: Testbed;
let greedy: TestPod;
let client: TestPod;

beforeAll(async () => {
  bed = await Testbed.start({ tapCount: 5, dataPlane: { podShare: { flows: SHARE } } });
  greedy = await bed.addPod('greedy');
  client = await bed.addPod('client');
  const webs = await addServers(bed, WEB, ['web']);
  await scaleService(bed, WEB, webs);
});

afterAll(() => bed?.stop());

const names = Array.from({ length: HELD }, (_, i) => `held-${i}`);
const flowsOf = async (pod: string) =>
  Number(await infractl(bed, 'operator', 'flows', '--count', '--pod', pod));

it('a pod holds no more flows than its share, and takes none of another', async () => {
  for (const name of names) await client.process.open(name, HTTP, PATIENCE_MS);
  expect(await flowsOf('default/client')).toBe(HELD);

  for (let i = 0; i < 3 * SHARE; i++) await greedy.process.open(`greedy-${i}`, HTTP, PATIENCE_MS);
  await expect
    .poll(() => flowsOf('default/greedy'), { timeout: PATIENCE_MS, interval: 500 })
    .toBeLessThanOrEqual(SHARE);

  expect(await flowsOf('default/client')).toBe(HELD);
  for (const name of names) expect(await client.process.ask(name)).toMatchObject({ server: 'web' });
});

it('the manager names the pod, and counts what it has ended', async () => {
  const { warnings } = await bed.client.status();
  expect(warnings).toMatchObject([
    {
      reason: 'PodFlowsExceeded',
      message: expect.stringMatching(/^pod default\/greedy had \d+ flows at once/),
    },
  ]);
  const metrics = await bed.node.must('curl', ['-s', '--fail', `http://${ADDRESSES.managerHttp}/metrics`]);
  const [, ended] = /^infra_manager_pod_share_ended_flows_total (\d+)$/m.exec(metrics) ?? [];
  expect(Number(ended)).toBeGreaterThanOrEqual(2 * SHARE);
});

it('connections of that pod go on, those that were ended as well', async () => {
  for (const i of [0, 3 * SHARE - 1]) {
    expect(await greedy.process.ask(`greedy-${i}`)).toMatchObject({ server: 'web' });
  }
});
