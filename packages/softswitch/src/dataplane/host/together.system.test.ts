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
        const packets = Array.from({ length: FLOWS * COPIES }, (_, i) => {
          const sourcePort = 10_000 + round * FLOWS + Math.floor(i / COPIES);
          const l4 = { protocol: 'tcp', sourcePort, targetPort: 80, flags: ACK } as const;
          return { packet: packet({ source: CLIENT.ip, target: VIP, l4 }) };
        });
        // On a busy machine, not all of them may have had their turn in that time.
        await expect
          .poll(async () => {
            await replay(host, 1, new Map([[CLIENT.port, packets]]));
            return known();
          })
          .toBe(2 * FLOWS * (round + 1));
      }
    });
  },
);
