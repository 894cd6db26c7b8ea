import { ipv4 } from '@infra-offload/net';
import type { Entity, TableEntry } from '@infra-offload/p4rt/proto';
import { CONNTRACK_TIMEOUTS, FlowState, k8sDp } from '@infra-offload/p4src';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FlowSocket, FlowTuple } from '../flow-table.js';
import { dpdkFlowTable } from './flow-table.js';

const { conntrack, established } = k8sDp.tables;
const SERIAL = 7;
const table = dpdkFlowTable(CONNTRACK_TIMEOUTS);

const ADDRESSES = { nat_ip: 0, nat_port: 0, client_ip: 0, client_port: 0 };
const ZEROS = { kind: 0, serial: 0, ...ADDRESSES, endpoint_id: 0 };

const socket = fc.record({
  address: fc.integer({ min: 1, max: 0xffff_ffff }).map(ipv4),
  port: fc.integer({ min: 1, max: 0xffff }),
});

/** A flow as the program translates it: to an endpoint, from another port, from another address, or not at all. */
const translated = fc
  .record({
    protocol: fc.constantFrom(6, 17, 132, 1),
    client: socket,
    service: socket,
    endpoint: socket,
    toEndpoint: fc.boolean(),
    port: fc.option(fc.integer({ min: 32_768, max: 0xffff }), { nil: undefined }),
    source: fc.option(socket, { nil: undefined }),
  })
  // An echo has one number for both ports, and is for no service.
  .map((flow) => {
    if (flow.protocol !== 1) return flow;
    return { ...flow, toEndpoint: false, service: { ...flow.service, port: flow.client.port } };
  });

const keyOf = ({ protocol, source, destination }: FlowTuple) => ({
  src_ip: source.address,
  src_port: source.port,
  dst_ip: destination.address,
  protocol,
  dst_port: destination.port,
});

function entryOf({ entity }: Entity): TableEntry {
  return entity?.$case === 'tableEntry' ? entity.value : expect.unreachable('no table entry');
}

/** An entry as a device tells it. */
function told(entity: Entity, timeoutSeconds: number, idleSeconds = 0): Entity {
  const times = {
    idleTimeoutNs: BigInt(timeoutSeconds) * 1_000_000_000n,
    timeSinceLastHit: { elapsedNs: BigInt(idleSeconds) * 1_000_000_000n },
  };
  return { entity: { $case: 'tableEntry', value: { ...entryOf(entity), ...times } } };
}

it('both entries of a flow tell both directions', () => {
  fc.assert(
    fc.property(translated, ({ protocol, client, service, endpoint, toEndpoint, port, source }) => {
      const original: FlowTuple = { protocol, source: client, destination: service };
      const seen: FlowSocket = {
        address: source?.address ?? client.address,
        port: port ?? client.port,
      };
      const answering: FlowSocket = protocol === 1 ? { ...service, port: seen.port } : service;
      const server: FlowSocket = toEndpoint ? endpoint : answering;
      const reply: FlowTuple = { protocol, source: server, destination: seen };
      const first = conntrack.entry(
        keyOf(original),
        conntrack.actions.ct_original({
          kind: (toEndpoint ? 0x01 : 0) | (port === undefined ? 0 : 0x04) | (source ? 0x08 : 0) | 0x40,
          serial: SERIAL,
          nat_ip: endpoint.address,
          nat_port: endpoint.port,
          client_ip: seen.address,
          client_port: port ?? 0,
          endpoint_id: 300,
        }),
      );
      const second = conntrack.entry(
        keyOf(reply),
        conntrack.actions.ct_reply({
          kind: (toEndpoint ? 0x02 : 0) | (port !== undefined || source ? 0x10 : 0) | 0x80,
          serial: SERIAL,
          nat_ip: service.address,
          nat_port: service.port,
          client_ip: client.address,
          client_port: client.port,
          flow_id: 5,
        }),
      );
      const both = { original, reply };
      expect(table.decode(told(first, 120))).toMatchObject({ ...both, isReply: false });
      expect(table.decode(told(second, 120))).toMatchObject({ ...both, isReply: true });
      expect(entryOf(table.entry(original)).match).toEqual(entryOf(first).match);
      expect(table.remembered(original).map((entity) => entryOf(entity).tableId)).toEqual([
        conntrack.id,
        established.id,
      ]);
      for (const entity of table.remembered(original))
        expect(entryOf(entity).match.map(({ fieldMatchType }) => fieldMatchType)).toEqual(
          entryOf(first).match.map(({ fieldMatchType }) => fieldMatchType),
        );
    }),
  );
});

describe('the state of a flow', () => {
  const tuple: FlowTuple = {
    protocol: 6,
    source: { address: ipv4(1), port: 2 },
    destination: { address: ipv4(3), port: 4 },
  };
  const reply = (timeout: number) => {
    const params = {
      kind: 0,
      serial: SERIAL,
      nat_ip: 0,
      nat_port: 0,
      client_ip: 0,
      client_port: 0,
      flow_id: 5,
    };
    const entity = conntrack.entry(keyOf(tuple), conntrack.actions.ct_reply(params));
    return table.decode(told(entity, timeout, 7)) ?? expect.unreachable('no flow');
  };

  it('is told by a timeout that only one state has, and else by the cell', () => {
    const established = reply(CONNTRACK_TIMEOUTS[FlowState.established]);
    expect(established).toMatchObject({ state: 'established', idleMs: 7000, timeoutMs: 86_400_000 });
    const entry = reply(CONNTRACK_TIMEOUTS[FlowState.finServer]);
    expect(entry.state).toBeUndefined();
    const cell = (serial: bigint, state: number): Entity =>
      k8sDp.registers.flows.cell(5, (9n << 32n) | (serial << 16n) | BigInt(state));
    const { entity } = entry.cell?.read ?? {};
    expect(entity?.$case === 'registerEntry' && entity.value.index).toEqual({ index: 5n });
    expect(table.state(cell(7n, FlowState.finServer), entry)).toBe('fin-server');
    // The cell is another flow's.
    expect(table.state(cell(8n, FlowState.finServer), entry)).toBeUndefined();
  });
});

it('a selection names the fields that it sets, and the direction', () => {
  const { match, action } = entryOf(table.read({ protocol: 6, destination: { port: 80 }, isReply: true }));
  expect(match.map(({ fieldId }) => fieldId)).toEqual([4, 5]);
  const type = action?.type;
  expect(type?.$case === 'action' && type.value.actionId).toBe(
    conntrack.actions.ct_reply({
      kind: 0,
      serial: 0,
      nat_ip: 0,
      nat_port: 0,
      client_ip: 0,
      client_port: 0,
      flow_id: 0,
    }).actionId,
  );
  expect(entryOf(table.read({})).match).toEqual([]);
});

it('a device that counts answers with a number, another one with the entries', () => {
  const asked = table.count({ source: { address: ipv4('10.244.0.1') }, isReply: false });
  expect(entryOf(asked)).toMatchObject({
    match: [{ fieldId: 1 }],
    counterData: { packetCount: 0n },
    action: { type: { value: { actionId: conntrack.actions.ct_original(ZEROS).actionId } } },
  });
  const answer = { ...entryOf(asked), counterData: { byteCount: 0n, packetCount: 7n } };
  expect(table.countOf({ entity: { $case: 'tableEntry', value: answer } })).toBe(7);
  expect(table.countOf(conntrack.all())).toBe(1);
});

it('the flows that have begun at a port are those that its meter has let through', () => {
  const { entity } = table.begun(1025);
  if (entity?.$case !== 'meterEntry') expect.unreachable('no meter');
  expect(entity.value.index).toEqual({ index: 1n });
  const packets = (count: number) => ({ byteCount: 0n, packetCount: BigInt(count) });
  const counterData = { green: packets(3), yellow: packets(4), red: packets(5) };
  expect(table.begunOf({ entity: { $case: 'meterEntry', value: { ...entity.value, counterData } } })).toBe(
    7n,
  );
});

it('flows are dispensable if all states with their timeout are of flows that are over or not answered', () => {
  const entryWith = (protocol: number, seconds: number) => {
    const key = { src_ip: 1, src_port: 1, dst_ip: 2, protocol, dst_port: 2 };
    return table.decode(told(conntrack.entry(key, conntrack.actions.ct_original(ZEROS)), seconds))
      ?.isDispensable;
  };
  expect([5, 10, 30, 60, 120, 3600, 86_400].map((seconds) => entryWith(6, seconds))).toEqual([
    ...[true, true, false, false, true, false, false],
  ]);
  expect([30, 120].map((seconds) => entryWith(17, seconds))).toEqual([true, false]);
  expect(entryWith(1, 30)).toBe(false);
});
