import { type IPv4, ipv4, type Mac, mac } from '@infra-offload/net';
import { k8sDp } from '@infra-offload/p4src';
import type { RowKey } from '@infra-offload/reconciler';
import { unreachable } from '../../../errors.js';
import { isolationKeys } from './policies.js';
import { foreign, found, type TableRecord } from './record.js';

const {
  answer_source: answerSource,
  arp_table: arp,
  pod_forward: podForward,
  port_table: ports,
} = k8sDp.tables;

/** Ports of the data plane by what is behind them. */
export type PortRow =
  | {
      readonly table: 'port_table';
      readonly port: number;
      readonly role: 'pod';
      readonly podIp: IPv4;
      /** See {@link CompileContext.since}. */
      readonly since: number;
      /** Keys of the rows that isolate the pod, without which it must not send or receive. */
      readonly requires?: readonly RowKey[];
    }
  | { readonly table: 'port_table'; readonly port: number; readonly role: 'host' | 'uplink' };

/** ARP requests for `ip` are answered with `mac`. */
export interface ArpRow {
  readonly table: 'arp_table';
  readonly ip: IPv4;
  readonly mac: Mac;
}

/** Packets to `ip` leave through `port`. */
export interface PodForwardRow extends Hop {
  readonly table: 'pod_forward';
  readonly ip: IPv4;
  /** As for {@link PortRow}; 0 for what is no pod. */
  readonly since: number;
  /** As for {@link PortRow}. */
  readonly requires?: readonly RowKey[];
}

/** Where ICMP errors to what is behind ports of a kind come from. */
export interface AnswerSourceRow {
  readonly table: 'answer_source';
  readonly portKind: number;
  readonly ip: IPv4;
}

/** Where packets go next. */
export interface Hop {
  readonly port: number;
  readonly dstMac: Mac;
  readonly srcMac: Mac;
}

export function sameHop(a: Hop, b: Hop): boolean {
  return a.port === b.port && a.dstMac === b.dstMac && a.srcMac === b.srcMac;
}

export function hopOf(params: {
  readonly port: number;
  readonly dst_mac: bigint;
  readonly src_mac: bigint;
}): Hop {
  return { port: params.port, dstMac: mac(params.dst_mac), srcMac: mac(params.src_mac) };
}

const NOTHING: readonly RowKey[] = [];
const portKey = (port: number): RowKey => `port_table/${port}`;
const arpKey = (ip: IPv4): RowKey => `arp_table/${ip}`;
const podForwardKey = (ip: IPv4): RowKey => `pod_forward/${ip}`;
const answerSourceKey = (portKind: number): RowKey => `answer_source/${portKind}`;

export const portTable: TableRecord<PortRow> = {
  source: { kind: 'table', id: ports.id },
  readAll: ports.all(),
  phase: 2,
  key: ({ port }) => portKey(port),
  equal: (a, b) =>
    a.port === b.port &&
    a.role === b.role &&
    (a.role !== 'pod' || (b.role === 'pod' && a.podIp === b.podIp && a.since === b.since)),
  requires: (row) => (row.role === 'pod' ? (row.requires ?? NOTHING) : NOTHING),
  toEntity: (row) => ports.entry({ input_port: row.port }, portAction(row)),
  fromEntity(entity) {
    const { match, action } = ports.decode(entity);
    const row = { table: 'port_table', port: match.input_port } as const;
    switch (action?.name) {
      case 'set_pod_port': {
        const podIp = ipv4(action.params.pod_ip);
        const { since } = action.params;
        return found({ ...row, role: 'pod', podIp, since, requires: isolationKeys(podIp) });
      }
      case 'set_host_port':
        return found({ ...row, role: 'host' });
      case 'set_uplink_port':
        return found({ ...row, role: 'uplink' });
      default:
        return foreign(portKey(row.port));
    }
  },
};

function portAction(row: PortRow) {
  switch (row.role) {
    case 'pod':
      return ports.actions.set_pod_port({ pod_ip: row.podIp, since: row.since });
    case 'host':
      return ports.actions.set_host_port();
    case 'uplink':
      return ports.actions.set_uplink_port();
    default:
      return unreachable(row);
  }
}

export const arpTable: TableRecord<ArpRow> = {
  source: { kind: 'table', id: arp.id },
  readAll: arp.all(),
  phase: 0,
  key: ({ ip }) => arpKey(ip),
  equal: (a, b) => a.ip === b.ip && a.mac === b.mac,
  toEntity: (row) => arp.entry({ target_ip: row.ip }, arp.actions.arp_reply({ mac: row.mac })),
  fromEntity(entity) {
    const { match, action } = arp.decode(entity);
    const ip = ipv4(match.target_ip);
    if (action?.name !== 'arp_reply') return foreign(arpKey(ip));
    return found({ table: 'arp_table', ip, mac: mac(action.params.mac) });
  },
};

export const podForwardTable: TableRecord<PodForwardRow> = {
  source: { kind: 'table', id: podForward.id },
  readAll: podForward.all(),
  phase: 2,
  key: ({ ip }) => podForwardKey(ip),
  equal: (a, b) => a.ip === b.ip && a.since === b.since && sameHop(a, b),
  requires: (row) => row.requires ?? NOTHING,
  toEntity: ({ ip, port, dstMac, srcMac, since }) =>
    podForward.entry(
      { pod_ip: ip },
      podForward.actions.forward({ port, dst_mac: dstMac, src_mac: srcMac, since }),
    ),
  fromEntity(entity) {
    const { match, action } = podForward.decode(entity);
    const ip = ipv4(match.pod_ip);
    if (action?.name !== 'forward') return foreign(podForwardKey(ip));
    const { since } = action.params;
    return found({ table: 'pod_forward', ip, ...hopOf(action.params), since, requires: isolationKeys(ip) });
  },
};

export const answerSourceTable: TableRecord<AnswerSourceRow> = {
  source: { kind: 'table', id: answerSource.id },
  readAll: answerSource.all(),
  phase: 0,
  key: ({ portKind }) => answerSourceKey(portKind),
  equal: (a, b) => a.portKind === b.portKind && a.ip === b.ip,
  toEntity: ({ portKind, ip }) =>
    answerSource.entry({ port_kind: portKind }, answerSource.actions.set_answer_source({ ip })),
  fromEntity(entity) {
    const { match, action } = answerSource.decode(entity);
    const portKind = match.port_kind;
    if (action?.name !== 'set_answer_source') return foreign(answerSourceKey(portKind));
    return found({ table: 'answer_source', portKind, ip: ipv4(action.params.ip) });
  },
};
