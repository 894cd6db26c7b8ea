import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ipv4 } from '@infra-offload/net';
import { k8sDpArtifacts } from '@infra-offload/p4src';
import { packet } from '@infra-offload/swx/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryPorts } from '../../ports/memory.js';
import { compiled, dpdkHeaders, dpdkInstalled, dpdkProgram } from '../../testing/swx-host.js';
import type { Pipeline } from '../dataplane.js';
import { HostDataplane } from './host-dataplane.js';
import { HostProcesses } from './host-processes.js';
import { replay } from './replay.js';

const PORTS = 4;
const CLIENT = { port: 2, ip: '10.244.0.1' };
const SERVER = { port: 3, ip: '10.244.0.2' };
const VIP = '10.96.0.1';
const ACK = 0x10;
const FLOWS = 4;
const ROUNDS = 100;
/** Of each flow: more than can be under way at once, for all flows together. */
const COPIES = 5;

/** Two pods, and a service of one of them. */
function setUp(pipeline: Pipeline): void {
  const set = (table: string, key: readonly number[], action: string, args: readonly (number | bigint)[]) =>
    pipeline.tableSet(table, { key: key.map((value) => ({ value })), action, args });
  pipeline.tableSetDefault('flow_epoch', 'set_flow_epoch', [1, 0]);
  for (const { port, ip } of [CLIENT, SERVER]) {
    set('port_table', [port], 'set_pod_port', [ipv4(ip), 1]);
    set('pod_forward', [ipv4(ip)], 'forward', [port, 2n, 3n, 1]);
  }
  set('endpoint_selector', [1], 'select_endpoint', [1]);
  pipeline.selectorSet('endpoint_selector_sel', 0, [{ member: 1, weight: 1 }]);
  set('endpoint_group', [1], 'endpoint_group_set_group_id', [0]);
  set('endpoint', [257], 'set_endpoint', [ipv4(SERVER.ip), 8080, 0]);
  set('service', [ipv4(VIP), 6, 80], 'set_service', [1, 256, 1, 0, 0]);
}

type Socket = readonly [address: string, port: number];

function segment([source, sourcePort]: Socket, [target, targetPort]: Socket): Uint8Array {
  return packet({ source, target, l4: { protocol: 'tcp', sourcePort, targetPort, flags: ACK } });
}

/** The key of what is known of one direction. */
function keyOf([source, sourcePort]: Socket, [target, targetPort]: Socket): number[] {
  return [ipv4(source), sourcePort, ipv4(target), 6, targetPort];
}

const variants = ['the specification', ...(dpdkHeaders === undefined ? [] : ['compiled code'])];

/** SWX has up to 16 packets under way at the same time, which take turns at each look-up. */
describe.runIf(dpdkInstalled).each(variants)(
  'packets that are under way together, on DPDK (%s)',
  (variant) => {
    let directory: string;
    let dataplane: HostDataplane;
    let pipeline: Pipeline;

    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), 'together-'));
      const code = variant === 'compiled code' ? compiled(k8sDpArtifacts.spec, PORTS, directory) : [];
      const source = await HostProcesses.open(dpdkProgram(['--ports', `${PORTS}`, ...code]));
      dataplane = new HostDataplane(new MemoryPorts(PORTS), source);
      pipeline = dataplane.load(k8sDpArtifacts.spec, 'k8s_dp.spec');
      dataplane.activate(pipeline);
      setUp(pipeline);
      await pipeline.commit();
    }, 120_000);
    afterAll(async () => {
      await dataplane?.stop();
      rmSync(directory, { recursive: true });
    });

    it('leave a new flow known in both directions, whichever of them learns it', async () => {
      const host = (await dataplane.whenReady()) ?? expect.unreachable('no host');
      const known = async () => {
        let count = 0;
        for await (const piece of pipeline.learnedPieces('conntrack', {})) count += piece.count;
        return count;
      };
      for (let round = 0; round < ROUNDS; round++) {
        const packets = Array.from({ length: FLOWS * COPIES }, (_, i) => ({
          packet: segment([CLIENT.ip, 10_000 + round * FLOWS + Math.floor(i / COPIES)], [VIP, 80]),
        }));
        // On a busy machine, not all of them may have had their turn in that time.
        await expect
          .poll(async () => {
            await replay(host, 1, new Map([[CLIENT.port, packets]]));
            return known();
          })
          .toBe(2 * FLOWS * (round + 1));
      }
    });

    it('of both directions establish a flow at once', async () => {
      const host = (await dataplane.whenReady()) ?? expect.unreachable('no host');
      const server = [SERVER.ip, 9000] as const;
      for (let round = 0; round < 20; round++) {
        const clients = Array.from(
          { length: 2 * FLOWS },
          (_, i) => [CLIENT.ip, 30_000 + round * 2 * FLOWS + i] as const,
        );
        const there = clients.map((client) => ({ packet: segment(client, server) }));
        const back = clients.map((client) => ({ packet: segment(server, client) }));
        const established = () =>
          clients
            .flatMap((client) => [keyOf(client, server), keyOf(server, client)])
            .filter((key) => pipeline.learnedFind('established', key).count > 0).length;
        // The client speaks first.
        await replay(host, 5, new Map([[CLIENT.port, there]]));
        // On a busy machine, not all of them may have had their turn in that time.
        for (let again = 0; again < 50 && established() < 2 * clients.length; again++)
          await replay(
            host,
            1,
            new Map([
              [CLIENT.port, there],
              [SERVER.port, back],
            ]),
          );
        expect(established()).toBe(2 * clients.length);
      }
    });
  },
);
