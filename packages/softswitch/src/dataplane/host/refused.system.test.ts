import { readFileSync } from 'node:fs';
import { encodeDeviceConfig, insert, modify, P4RuntimeSession, remove } from '@infra-offload/p4rt';
import { Entity } from '@infra-offload/p4rt/proto';
import { k8sDp, k8sDpArtifacts, k8sDpDeviceConfig, k8sDpP4Info } from '@infra-offload/p4src';
import { parseSpec } from '@infra-offload/swx';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryPorts } from '../../ports/memory.js';
import { Softswitch } from '../../softswitch.js';
import { dpdkInstalled, dpdkProgram, swxHost } from '../../testing/swx-host.js';
import { Channel } from './channel.js';
import type { Host } from './host.js';
import { HostDataplane } from './host-dataplane.js';
import { HostPipeline } from './host-pipeline.js';
import { HostProcesses } from './host-processes.js';
import { Change, helloBody, Operation } from './protocol.js';
import { ByteWriter } from './wire.js';

const t = k8sDp.tables;
const service = (dst_ip: string, service_id: number) =>
  t.service.entry(
    { dst_ip, protocol: 6, dst_port: 80 },
    t.service.actions.set_service({
      group_id: 1,
      endpoint_base: 256,
      service_id,
      flags: 0,
      affinity_profile: 0,
    }),
  );
const endpoint = (endpoint_id: number) =>
  t.endpoint.entry(
    { endpoint_id },
    t.endpoint.actions.set_endpoint({ ip: '10.244.0.1', port: endpoint_id, flags: 0 }),
  );

/** What the data plane refuses when it is made live changes nothing: not there, and not in what is read. */
describe.skipIf(!dpdkInstalled)('a refused commit', () => {
  let dataplane: HostDataplane;
  let softswitch: Softswitch;
  let session: P4RuntimeSession;

  beforeEach(async () => {
    process.env.ASAN_OPTIONS = 'detect_leaks=0';
    const ports = new MemoryPorts(2);
    const args = ['--ports', '2', '--memory', '768'];
    dataplane = new HostDataplane(ports, await HostProcesses.open(dpdkProgram(args, swxHost('asan'))));
    const freePort = '127.0.0.1:0';
    softswitch = await Softswitch.start({
      p4runtimeAddress: freePort,
      gnmiAddress: freePort,
      ports,
      dataplane,
    });
    session = await P4RuntimeSession.open({
      address: softswitch.p4runtimeAddress,
      deviceId: 1,
      electionId: 1n,
    });
    await session.setPipeline(k8sDpP4Info(), k8sDpDeviceConfig(), { action: 'VERIFY_AND_COMMIT' });
  });

  afterEach(async () => {
    await session.close();
    await softswitch.stop();
  });

  function host(): Host {
    return dataplane.host ?? expect.unreachable('no host');
  }

  /** Another client, which holds the host up with a change that it does not commit. */
  async function occupy(): Promise<Channel> {
    const commandLine = readFileSync(`/proc/${host().greeting.pid}/cmdline`, 'utf8').split('\0');
    const channel = await Channel.open(commandLine[commandLine.indexOf('--socket') + 1] ?? '');
    await channel.request(Operation.HELLO, helloBody());
    const change = new ByteWriter().u8(0).u32(1).u8(Change.REGISTER).u16(0).u32(0).u64(0n);
    await channel.request(Operation.BATCH, change.view());
    return channel;
  }

  async function entries(): Promise<string[]> {
    const found: string[] = [];
    const all = Entity.fromPartial({ entity: { $case: 'tableEntry', value: {} } });
    for await (const entity of session.read(all))
      found.push(Buffer.from(Entity.encode(entity).finish()).toString('hex'));
    return found.sort();
  }

  const sizes = (): number[] | undefined => dataplane.statistics()?.tables.map((table) => table.entries);

  it('is the answer to the Write, and the same Write works later', async () => {
    await session.write([insert(service('10.96.0.1', 1)), insert(endpoint(257)), insert(endpoint(258))]);
    const before = { entries: await entries(), sizes: sizes() };
    const change = [
      modify(service('10.96.0.1', 2)),
      insert(service('10.96.0.2', 3)),
      remove(t.endpoint.key({ endpoint_id: 257 })),
      insert(endpoint(259)),
    ];
    const other = await occupy();
    for (const atomicity of ['CONTINUE_ON_ERROR', 'ROLLBACK_ON_ERROR', 'DATAPLANE_ATOMIC'] as const) {
      await expect(session.write(change, { atomicity })).rejects.toThrow(/another client has staged changes/);
      expect({ entries: await entries(), sizes: sizes() }).toEqual(before);
    }
    // A client that goes takes what it has staged with it.
    other.close();
    await expect
      .poll(() =>
        session.write(change).then(
          () => 'done',
          (error) => String(error),
        ),
      )
      .toBe('done');
    expect(await entries()).not.toEqual(before.entries);
    expect(sizes()).toEqual(before.sizes?.map((size, i) => size + (i === serviceTable() ? 1 : 0)));
  });

  it('of a selector with no place for a member takes the entries beside it along', async () => {
    const pipeline = new HostPipeline(k8sDpArtifacts.spec, parseSpec(k8sDpArtifacts.spec), () => ({
      name: 'swx-host',
      steadyRules: false,
      host: dataplane.host,
      whenReady: () => dataplane.whenReady(),
    }));
    const before = sizes();
    pipeline.tableSet('endpoint', { key: [{ value: 7 }], action: 'set_endpoint', args: [1, 2, 0] });
    pipeline.selectorSet('endpoint_selector_sel', 5, [{ member: 256, weight: 1 }]);
    await expect(pipeline.commit()).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: expect.stringMatching(
        /change 1: selector endpoint_selector_sel: group 5 is refused .* members are 0\.\.255/,
      ),
    });
    expect(sizes()).toEqual(before);
  });

  it('of a program leaves the one before in place', async () => {
    await session.write([insert(endpoint(257))]);
    const before = await entries();
    // DPDK counts this in another array, so that swx-host refuses it; the engine has nothing against it.
    const spec = k8sDpArtifacts.spec.replace(/^\trx .*$/m, '$&\n\tregadd service_counter_0 0 1');
    const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
    const { bfrt, context } = k8sDpArtifacts;
    const profiles = [{ name: 'pipe', context: bytes(context), binary: bytes(spec) }];
    const config = encodeDeviceConfig({ name: 'k8s_dp', bfrtInfo: bytes(bfrt), profiles });
    await expect(
      session.setPipeline(k8sDpP4Info(), config, { action: 'VERIFY_AND_COMMIT' }),
    ).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/DPDK would add to another/),
    });
    expect(await entries()).toEqual(before);
    await session.write([insert(endpoint(258))]);
    expect(sizes()?.reduce((sum, size) => sum + size, 0)).toBe(2);
  });
});

/** Place of the table `service` among the tables that have entries. */
function serviceTable(): number {
  return [...parseSpec(k8sDpArtifacts.spec).tables.keys()].indexOf('service');
}
