/**
 * Connections to a service whose pods are replaced all the time. CONNECTIONS=1000000 opens that many, RATE=200 no more than that in a
 * second; such a run needs vitest's --testTimeout.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { addServers, scaleService, Testbed, type TestPod } from '@infra-offload/testbed';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HTTP, WEB } from './web.js';

const CONNECTIONS = Number(process.env.CONNECTIONS ?? 4_000);
const RATE = Number(process.env.RATE ?? 2_000);
/** Of connections that are opened one after the other, and how long they have. */
const PIECE = Math.min(200, RATE / 5);
const PATIENCE_MS = 20_000;
/** For which a pod that takes no new connections serves those it has. */
const GRACE_MS = 500;

let bed: Testbed;
let client: TestPod;

beforeAll(async () => {
  bed = await Testbed.start({ tapCount: 6 });
  client = await bed.addPod('client');
  // Ports are soon used again: 64,512 of them, from a second after their last connection.
  await client.namespace.must('sysctl', [
    '--write',
    'net.ipv4.ip_local_port_range=1024 65535',
    'net.ipv4.tcp_tw_reuse=1',
  ]);
});

afterAll(() => bed?.stop());

it(`fails none of ${CONNECTIONS} connections while its pods are replaced`, async () => {
  let [serial, replaced, opened, isOver] = [0, 0, 0, false];
  const server = async () => {
    serial += 1;
    const [pod] = await addServers(bed, WEB, [`web-${serial}`]);
    if (pod === undefined) throw new Error('no pod');
    return pod;
  };
  let pods = [await server(), await server()];
  await scaleService(bed, WEB, pods);

  const replace = async () => {
    while (!isOver) {
      const [oldest, ...others] = pods;
      if (oldest === undefined) throw new Error('no pod');
      pods = [...others, await server()];
      await scaleService(bed, WEB, [oldest, ...pods]);
      await scaleService(bed, WEB, pods);
      await sleep(GRACE_MS);
      await bed.removePod(oldest);
      replaced += 1;
    }
  };
  const connect = async () => {
    const started = performance.now();
    while (opened < CONNECTIONS) {
      const { failures } = await client.process.spread(HTTP, PIECE, PATIENCE_MS);
      expect(failures, `after ${opened} connections and ${replaced} pods`).toEqual({});
      opened += PIECE;
      const early = (opened / RATE) * 1000 - (performance.now() - started);
      if (early > 0) await sleep(early);
    }
    return opened / ((performance.now() - started) / 1000);
  };

  const replacing = replace();
  const rate = await connect().finally(() => {
    isOver = true;
  });
  await replacing;
  const [, again] =
    /RetransSegs\s+(\d+)/.exec(await client.namespace.must('nstat', ['-asz', 'TcpRetransSegs'])) ?? [];
  console.log(
    `${opened} connections, ${rate.toFixed(0)}/s, over ${replaced} replaced pods; ${again} segments sent again`,
  );
  expect(replaced).toBeGreaterThan(0);
});
