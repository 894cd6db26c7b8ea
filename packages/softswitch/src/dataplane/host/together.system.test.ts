import { k8sDpArtifacts } from '@infra-offload/p4src';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryPorts } from '../../ports/memory.js';
import { ipv4Frame } from '../../testing/frames.js';
import { dpdkInstalled, dpdkProgram } from '../../testing/swx-host.js';
import type { Pipeline } from '../dataplane.js';
import { HostDataplane } from './host-dataplane.js';
import { HostProcesses } from './host-processes.js';
import { replay } from './replay.js';

const PORTS = 4;
const CLIENT = { port: 3, ip: 0x0af40001 };
const SERVER = { port: 2, ip: 0x0af40002 };

function setUp(pipeline: Pipeline): void {
  const set = (table: string, key: readonly number[], action: string, args: readonly (number | bigint)[]) =>
    pipeline.tableSet(table, { key: key.map((value) => ({ value })), action, args });
  pipeline.tableSetDefault('flow_epoch', 'set_flow_epoch', [1, 0]);
  for (const { port, ip } of [CLIENT, SERVER]) {
    set('port_table', [port], 'set_pod_port', [ip, 1]);
    set('pod_forward', [ip], 'forward', [port, 2n, 3n, 1]);
  }
}

type Address = readonly [ip: number, port: number];

function datagram([source, sourcePort]: Address, [target, targetPort]: Address): Uint8Array {
  const content = { protocol: 'udp', sourcePort, targetPort, payload: new Uint8Array(4) } as const;
  return ipv4Frame({ source, target, content });
}

/** SWX has up to 16 packets under way at the same time, which take turns at each look-up. */
describe.runIf(dpdkInstalled)('packets of a flow that are under way together, on DPDK', () => {
  let dataplane: HostDataplane;
  let pipeline: Pipeline;

  beforeAll(async () => {
    const source = await HostProcesses.open(dpdkProgram(['--ports', `${PORTS}`]));
    dataplane = new HostDataplane(new MemoryPorts(PORTS), source);
    pipeline = dataplane.load(k8sDpArtifacts.spec, 'k8s_dp.spec');
    dataplane.activate(pipeline);
    setUp(pipeline);
    await pipeline.commit();
  }, 120_000);
  afterAll(() => dataplane?.stop());

  const host = async () => (await dataplane.whenReady()) ?? expect.unreachable('no host');

  async function learned(table: string): Promise<number> {
    let count = 0;
    for await (const piece of pipeline.learnedPieces(table, {})) count += piece.count;
    return count;
  }

  it('of both directions establish it', async () => {
    const before = await learned('conntrack');
    const [flows, rounds] = [8, 32];
    for (let round = 0; round < rounds; round++) {
      const clients = Array.from(
        { length: flows },
        (_, i): Address => [CLIENT.ip, 30_000 + round * flows + i],
      );
      const server: Address = [SERVER.ip, 9000];
      const there = clients.map((client) => ({ packet: datagram(client, server) }));
      const back = clients.map((client) => ({ packet: datagram(server, client) }));
      // The client speaks first.
      await replay(await host(), 1, new Map([[CLIENT.port, there]]));
      await replay(
        await host(),
        5,
        new Map([
          [CLIENT.port, there],
          [SERVER.port, [...back.slice(round % flows), ...back.slice(0, round % flows)]],
        ]),
      );
    }
    expect((await learned('conntrack')) - before).toBe(2 * flows * rounds);
    expect(await learned('established')).toBe(2 * flows * rounds);
  });
});
