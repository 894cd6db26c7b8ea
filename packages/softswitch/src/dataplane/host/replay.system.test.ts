import { k8sDpArtifacts } from '@infra-offload/p4src';
import { packet } from '@infra-offload/swx/testing';
import { expect, it } from 'vitest';
import { MemoryPorts } from '../../ports/memory.js';
import { dpdkInstalled, dpdkProgram } from '../../testing/swx-host.js';
import { HostDataplane } from './host-dataplane.js';
import { HostProcesses } from './host-processes.js';
import { replay } from './replay.js';

const PORTS = [1, 2];

/** The worker would run ports whose packets are not there yet, or no longer. */
it.runIf(dpdkInstalled)(
  'packets are replayed while the worker of DPDK rests, from first to last',
  async () => {
    const source = await HostProcesses.open(dpdkProgram(['--ports', '4']));
    const dataplane = new HostDataplane(new MemoryPorts(4), source);
    try {
      const pipeline = dataplane.load(k8sDpArtifacts.spec, 'k8s_dp.spec');
      dataplane.activate(pipeline);
      for (const port of PORTS)
        pipeline.tableSet('port_table', { key: [{ value: port }], action: 'set_uplink_port', args: [] });
      await pipeline.commit();
      const host = (await dataplane.whenReady()) ?? expect.unreachable('no host');
      for (let round = 0; round < 200; round++) {
        const packets = Array.from({ length: 4 + (round % 3) * 200 }, (_, i) => {
          const l4 = { protocol: 'udp', sourcePort: i, targetPort: 53, payload: new Uint8Array(4) } as const;
          return { packet: packet({ source: '10.0.0.1', target: `10.0.1.${round}`, l4 }) };
        });
        const result = await replay(host, 1, new Map(PORTS.slice(round % 2).map((port) => [port, packets])));
        expect(result.received).toBeGreaterThan(0);
        // SWX has 16 packets under way at most.
        const underWay = result.received - result.transmitted - result.dropped;
        expect(underWay).toBeGreaterThanOrEqual(0);
        expect(underWay).toBeLessThanOrEqual(16);
      }
      expect(dataplane.restarts).toBe(0);
      expect(dataplane.host).toBe(host);
    } finally {
      await dataplane.stop();
    }
  },
  60_000,
);
