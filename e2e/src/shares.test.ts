import { PROTOCOL_NUMBERS } from '@infra-offload/net';
import { addServers, scaleService, Testbed, type TestPod } from '@infra-offload/testbed';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HTTP, WEB } from './web.js';

/** FLOOD=2000000 tries what the defaults are good for; without, shares are so small that any flood is beyond them. */
const { FLOOD } = process.env;
const TRIAL =
  FLOOD === undefined
    ? {
        flows: 40_000,
        connections: 200,
        dataPlane: { podShare: { newFlowsPerSecond: 500, unansweredFlowsPerSecond: 50 } },
      }
    : { flows: Number(FLOOD), connections: 1_000, dataPlane: {} };
const PIECE = 10_000;
/** Longer than a first packet needs that is sent again and again. */
const PATIENCE_MS = 60_000;

let bed: Testbed;
let flooder: TestPod;
let client: TestPod;
let web: TestPod;

beforeAll(async () => {
  bed = await Testbed.start({ tapCount: 5, dataPlane: TRIAL.dataPlane });
  flooder = await bed.addPod('flooder');
  client = await bed.addPod('client');
  [web = client] = await addServers(bed, WEB, ['web']);
  await scaleService(bed, WEB, [web]);
});

afterAll(() => bed?.stop());

it('a pod that opens flows without end takes no connection from another', async () => {
  let [isOver, opened] = [false, 0];
  const flood = async () => {
    const { UDP: protocol } = PROTOCOL_NUMBERS;
    for (let from = 0; from < TRIAL.flows; from += PIECE)
      await flooder.process.flood({ address: web.ip, protocol, count: PIECE, from });
    isOver = true;
  };
  const connect = async () => {
    while (!isOver || opened < TRIAL.connections) {
      const { servers, failures } = await client.process.spread(HTTP, 20, PATIENCE_MS);
      expect(failures).toEqual({});
      opened += servers[web.name] ?? 0;
    }
  };
  await Promise.all([flood(), connect()]);
  const beyond = await bed.drops(/share of new flows/);
  const full = await bed.drops(/flow table full/);
  console.log(
    `${TRIAL.flows} flows, ${beyond} beyond the share, ${full} without room; ${opened} connections of another pod`,
  );
  expect(beyond).toBeGreaterThan(0);
});

it('the manager warns of it', async () => {
  const reasons = async () => (await bed.client.status()).warnings.map(({ reason }) => reason);
  await expect.poll(reasons).toContain('PodShareExceeded');
});

it('that pod connects again once it is quiet', async () => {
  const spread = () => flooder.process.spread(HTTP, 20, PATIENCE_MS);
  await expect.poll(async () => (await spread()).servers).toEqual({ [web.name]: 20 });
});
