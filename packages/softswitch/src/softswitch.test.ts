import { createServer } from 'node:net';
import { insert } from '@infra-offload/p4rt';
import { DropReason, HOST_PORT, k8sDp } from '@infra-offload/p4src';
import { formatTrace } from '@infra-offload/swx';
import { packet } from '@infra-offload/swx/testing';
import { afterEach, expect, it } from 'vitest';
import { MemoryPorts } from './ports/memory.js';
import { Softswitch } from './softswitch.js';
import { Harness } from './testing/harness.js';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (let cleanup = cleanups.pop(); cleanup !== undefined; cleanup = cleanups.pop()) await cleanup();
});

async function withPipeline(): Promise<Harness> {
  const harness = await Harness.withPipeline();
  cleanups.push(() => harness.stop());
  return harness;
}

it('packets go where the entries say, are counted, and can be traced', async () => {
  const harness = await withPipeline();
  const { tables, counters } = k8sDp;
  const macs = { dst_mac: '02:00:00:00:00:02', src_mac: '02:00:00:00:00:01' };
  const result = await harness.write([
    insert(tables.port_table.entry({ input_port: HOST_PORT }, tables.port_table.actions.set_host_port({}))),
    insert(
      tables.port_table.entry(
        { input_port: 1 },
        tables.port_table.actions.set_pod_port({ pod_ip: '10.1.0.1', since: 0 }),
      ),
    ),
    insert(
      tables.pod_forward.entry(
        { pod_ip: '10.1.0.2' },
        tables.pod_forward.actions.forward({ port: 2, ...macs, since: 0 }),
      ),
    ),
  ]);
  expect(result).toMatchObject({ code: 'OK' });

  harness.ports.send(1, packet({ source: '10.1.0.1', target: '10.1.0.2' }));
  const out = await harness.ports.receive(2);
  expect([...out.subarray(0, 12)]).toEqual([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
  expect(out[22]).toBe(63);

  harness.ports.send(1, packet({ source: '10.1.0.99', target: '10.1.0.2' }));
  const { entities } = await harness.read([counters.drop_counter.cell(DropReason.spoofedSource)]);
  expect(entities).toMatchObject([{ entity: { value: { data: { packetCount: 1n } } } }]);
  expect(harness.ports.drain(2)).toEqual([]);

  const trace = formatTrace(harness.softswitch.trace(1, packet({ source: '10.1.0.1', target: '10.1.0.2' })));
  expect(trace).toContain('pod_forward');
  expect(harness.ports.drain(2)).toHaveLength(1);
  expect(harness.ports.statistics(2)?.txPackets).toBe(2);
});

it('packets before there is a pipeline, and nonsense after, harm nothing', async () => {
  const harness = await Harness.start();
  cleanups.push(() => harness.stop());
  harness.ports.send(0, new Uint8Array(60));
  const ready = await withPipeline();
  for (const length of [0, 1, 13, 14, 20, 33, 34, 60, 9000, 65_536])
    ready.ports.send(3, new Uint8Array(length).fill(0x45));
  const { entities } = await ready.read([k8sDp.counters.drop_counter.cell(DropReason.unknownPort)]);
  expect(entities).toHaveLength(1);
});

it('an address in use is one clear error, and the ports are stopped', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => taken.close());
  const address = taken.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const ports = new MemoryPorts(1);
  const start = Softswitch.start({
    p4runtimeAddress: `127.0.0.1:${port}`,
    gnmiAddress: '127.0.0.1:0',
    ports,
  });
  await expect(start).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: `cannot listen on 127.0.0.1:${port}: the address is in use (another softswitch?)`,
  });
  expect(() => ports.send(0, new Uint8Array(1))).toThrow(/not started/);
  await expect(Softswitch.start({ deviceId: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});

it('stop may be called twice and ends open streams', async () => {
  const harness = await withPipeline();
  const controller = harness.controller();
  controller.arbitrate(9n);
  await controller.next();
  await harness.softswitch.stop();
  await harness.softswitch.stop();
  expect((await controller.ended()).code).not.toBe('');
});
