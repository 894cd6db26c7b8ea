import { ipv4, PROTOCOL_NUMBERS } from '@infra-offload/net';
import type { Entity, FieldMatch, TableEntry } from '@infra-offload/p4rt/proto';
import { ConntrackTimeout, type ConntrackTimeouts, FlowState, k8sDp } from '@infra-offload/p4src';
import type { FlowSelection, FlowTable, FlowTuple } from '../flow-table.js';

/**
 * All that is known here of the entries and cells of flows; see "Connection tracking" in p4src/dpdk/README.md.
 */
const { conntrack, established } = k8sDp.tables;
const { flows } = k8sDp.registers;
const { new_flows: newFlows } = k8sDp.meters;
/** Ports with the same number modulo this share one meter. */
const METERS = 1024;
const NO_COUNTS = { green: undefined, yellow: undefined, red: undefined };

/** Bits of `kind`. */
const Kind = {
  toEndpoint: 0x01,
  fromService: 0x02,
  clientPort: 0x04,
  clientAddress: 0x08,
  toClient: 0x10,
} as const;
/** A flow's cell: the epoch of the last check (32 bits), its serial number (16), its state (16). */
const SERIAL = 16n;
const HALF_WORD = 0xffffn;

const { TCP, UDP, ICMP } = PROTOCOL_NUMBERS;
const NS_PER_MS = 1_000_000n;

/** Names of states, as people know them, by number. */
const STATES: ReadonlyMap<number, string> = new Map(
  Object.entries(FlowState).map(([name, state]) => [
    state,
    name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
  ]),
);

const ANY: FlowTuple = {
  protocol: 0,
  source: { address: ipv4(0), port: 0 },
  destination: { address: ipv4(0), port: 0 },
};

export const dpdkFlowTable = (timeouts: ConntrackTimeouts): FlowTable => ({
  read: (selection) => withTimes(selected(selection)),

  count: (selection) => withEntry(selected(selection), { counterData: { byteCount: 0n, packetCount: 0n } }),

  countOf({ entity }) {
    return entity?.$case === 'tableEntry' ? Number(entity.value.counterData?.packetCount ?? 1n) : 0;
  },

  begun: (port) => {
    const { entity } = newFlows.cell(port % METERS);
    if (entity?.$case !== 'meterEntry') return { entity };
    return { entity: { $case: 'meterEntry', value: { ...entity.value, counterData: NO_COUNTS } } };
  },

  begunOf({ entity }) {
    const counts = entity?.$case === 'meterEntry' ? entity.value.counterData : undefined;
    return (counts?.green?.packetCount ?? 0n) + (counts?.yellow?.packetCount ?? 0n);
  },

  entry: (tuple) => withTimes(withEntry(conntrack.all(), { match: matchOf(tuple) })),

  // In this order: what is established is remembered again as long as there is the other one.
  remembered: (tuple) => [conntrack.key(keyOf(tuple)), established.key(keyOf(tuple))],

  decode(entity) {
    if (entity.entity?.$case !== 'tableEntry' || entity.entity.value.tableId !== conntrack.id)
      return undefined;
    const { match, action, idleTimeoutNs, idleNs = 0n } = conntrack.decode(entity);
    const tuple: FlowTuple = {
      protocol: match.protocol,
      source: { address: ipv4(match.src_ip), port: match.src_port },
      destination: { address: ipv4(match.dst_ip), port: match.dst_port },
    };
    const timeoutMs = Number(idleTimeoutNs / NS_PER_MS);
    const states = statesWith(tuple.protocol, timeoutMs / 1000, timeouts);
    const [only] = states;
    const times = {
      idleMs: Number(idleNs / NS_PER_MS),
      timeoutMs,
      state: states.length === 1 && only !== undefined ? STATES.get(only) : undefined,
      isDispensable: states.length > 0 && states.every((state) => DISPENSABLE.has(state)),
    };
    // Both ports of an echo are its identifier, and translated alike.
    const isEcho = tuple.protocol === ICMP;
    if (action?.name === 'ct_original') {
      const { kind, nat_ip, nat_port, client_ip, client_port } = action.params;
      const address = (kind & Kind.clientAddress) !== 0 ? ipv4(client_ip) : tuple.source.address;
      const port = (kind & Kind.clientPort) !== 0 ? client_port : tuple.source.port;
      const server = isEcho ? { ...tuple.destination, port } : tuple.destination;
      const reply: FlowTuple = {
        protocol: tuple.protocol,
        source: (kind & Kind.toEndpoint) !== 0 ? { address: ipv4(nat_ip), port: nat_port } : server,
        destination: { address, port },
      };
      return { original: tuple, reply, isReply: false, ...times, cell: undefined };
    }
    if (action?.name !== 'ct_reply') return undefined;
    const { kind, serial, nat_ip, nat_port, client_ip, client_port, flow_id } = action.params;
    const client =
      (kind & Kind.toClient) !== 0 ? { address: ipv4(client_ip), port: client_port } : tuple.destination;
    const server = isEcho ? { ...tuple.source, port: client.port } : tuple.source;
    const original: FlowTuple = {
      protocol: tuple.protocol,
      source: client,
      destination: (kind & Kind.fromService) !== 0 ? { address: ipv4(nat_ip), port: nat_port } : server,
    };
    const cell = { read: flows.cell(flow_id), serial };
    return { original, reply: tuple, isReply: true, ...times, cell };
  },

  state(cell, entry) {
    const value = BigInt(flows.decode(cell).value);
    if (Number((value >> SERIAL) & HALF_WORD) !== entry.cell?.serial) return undefined;
    return STATES.get(Number(value & HALF_WORD));
  },
});

const ZEROS = { kind: 0, serial: 0, nat_ip: 0, nat_port: 0, client_ip: 0, client_port: 0 };
const ORIGINAL = conntrack.actions.ct_original({ ...ZEROS, endpoint_id: 0 });
const REPLY = conntrack.actions.ct_reply({ ...ZEROS, flow_id: 0 });

function keyOf({ protocol, source, destination }: FlowTuple) {
  return {
    src_ip: source.address,
    src_port: source.port,
    dst_ip: destination.address,
    protocol,
    dst_port: destination.port,
  };
}

function matchOf(tuple: FlowTuple): FieldMatch[] {
  const { entity } = conntrack.key(keyOf(tuple));
  return entity?.$case === 'tableEntry' ? entity.value.match : [];
}

function selected({ protocol, source, destination, isReply }: FlowSelection): Entity {
  // In the order of the key.
  const given = [source?.address, source?.port, destination?.address, protocol, destination?.port];
  const whole = matchOf({
    protocol: protocol ?? 0,
    source: { ...ANY.source, ...source },
    destination: { ...ANY.destination, ...destination },
  });
  const match = whole.filter((_, i) => given[i] !== undefined);
  if (isReply === undefined) return withEntry(conntrack.all(), { match });
  const { actionId } = isReply ? REPLY : ORIGINAL;
  const action = { type: { $case: 'action' as const, value: { actionId, params: [] } } };
  return withEntry(conntrack.all(), { match, action });
}

function withTimes(entity: Entity): Entity {
  return withEntry(entity, { timeSinceLastHit: { elapsedNs: 0n } });
}

function withEntry({ entity }: Entity, more: Partial<TableEntry>): Entity {
  if (entity?.$case !== 'tableEntry') return { entity };
  return { entity: { $case: 'tableEntry', value: { ...entity.value, ...more } } };
}

/** States of flows that were never answered, or are over. */
const DISPENSABLE: ReadonlySet<number> = new Set([
  FlowState.new,
  FlowState.newBrief,
  FlowState.closing,
  FlowState.closed,
]);

/** The states that have this timeout, in seconds. */
function statesWith(protocol: number, seconds: number, timeouts: ConntrackTimeouts): readonly number[] {
  return statesOf(protocol).flatMap(([state, index]) => (timeouts[index] === seconds ? [state] : []));
}

/** The states of a protocol, each with the index of its timeout. */
function statesOf(protocol: number): readonly (readonly [state: number, timeout: number])[] {
  const { new: fresh, established } = FlowState;
  switch (protocol) {
    case TCP:
      return Object.values(FlowState).map((state) => [state, state]);
    case UDP:
      return [
        [fresh, ConntrackTimeout.udpNew],
        [established, ConntrackTimeout.udp],
      ];
    case ICMP:
      return [
        [fresh, ConntrackTimeout.icmp],
        [established, ConntrackTimeout.icmp],
      ];
    default:
      return [
        [fresh, ConntrackTimeout.otherNew],
        [established, ConntrackTimeout.other],
      ];
  }
}
