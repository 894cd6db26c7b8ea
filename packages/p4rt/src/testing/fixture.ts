import type { ProgramDescriptor } from '@infra-offload/p4info';

/** A small program with every kind of object, for tests. */
export const fixture = {
  name: 'fixture',
  tables: {
    service: {
      id: 0x0200_0001,
      size: 1024,
      needsPriority: false,
      isConst: false,
      supportsIdleTimeout: true,
      match: {
        dst_ip: { id: 1, bitwidth: 32, kind: 'exact' },
        protocol: { id: 2, bitwidth: 8, kind: 'exact' },
        dst_port: { id: 3, bitwidth: 16, kind: 'exact' },
      },
      actions: {
        set_service: {
          id: 0x0100_0001,
          scope: 'both',
          params: { group_id: { id: 1, bitwidth: 32 }, flags: { id: 2, bitwidth: 8 } },
        },
        drop: { id: 0x0100_0002, scope: 'default', params: {} },
        forward: { id: 0x0100_0003, scope: 'table', params: { mac: { id: 1, bitwidth: 48 } } },
      },
      directCounter: 'service_packets',
    },
    acl: {
      id: 0x0200_0002,
      size: 0,
      needsPriority: true,
      isConst: false,
      supportsIdleTimeout: false,
      match: {
        vrf: { id: 1, bitwidth: 10, kind: 'exact' },
        dst: { id: 2, bitwidth: 32, kind: 'lpm' },
        flags: { id: 3, bitwidth: 9, kind: 'ternary' },
        port: { id: 4, bitwidth: 16, kind: 'range' },
        src_mac: { id: 5, bitwidth: 48, kind: 'optional' },
      },
      actions: {
        drop: { id: 0x0100_0002, scope: 'both', params: {} },
        allow: { id: 0x0100_0004, scope: 'both', params: { mask: { id: 1, bitwidth: 64 } } },
      },
      constDefaultAction: 'drop',
    },
    endpoint_group: {
      id: 0x0200_0003,
      size: 64,
      needsPriority: false,
      isConst: false,
      supportsIdleTimeout: false,
      match: { group_id: { id: 1, bitwidth: 32, kind: 'exact' } },
      actions: {
        select: { id: 0x0100_0005, scope: 'table', params: { endpoint_id: { id: 1, bitwidth: 32 } } },
        drop: { id: 0x0100_0002, scope: 'default', params: {} },
      },
      actionProfile: 'selector',
    },
    port_names: {
      id: 0x0200_0004,
      size: 8,
      needsPriority: false,
      isConst: true,
      supportsIdleTimeout: false,
      match: { port: { id: 1, bitwidth: 0, kind: 'exact' } },
      actions: { drop: { id: 0x0100_0002, scope: 'both', params: {} } },
    },
  },
  actionProfiles: {
    selector: {
      id: 0x1100_0001,
      size: 128,
      withSelector: true,
      maxGroupSize: 16,
      tables: ['endpoint_group'],
      actions: {
        select: { id: 0x0100_0005, scope: 'table', params: { endpoint_id: { id: 1, bitwidth: 32 } } },
      },
    },
    plain: { id: 0x1100_0002, size: 4, withSelector: false, maxGroupSize: 0, tables: [], actions: {} },
  },
  counters: { drops: { id: 0x1200_0001, size: 256, unit: 'packets' } },
  directCounters: { service_packets: { id: 0x1300_0001, table: 'service', unit: 'both' } },
  meters: { policer: { id: 0x1400_0001, size: 4, unit: 'bytes', type: 'two-rate-three-color' } },
  directMeters: {},
  registers: {
    state: { id: 0x1600_0001, size: 8, type: 'bit<48>', bitwidth: 48 },
    pairs: { id: 0x1600_0002, size: 8, type: 'struct pair_t' },
  },
  digests: {
    learn: {
      id: 0x1700_0001,
      type: 'struct learn_t',
      fields: [
        { name: 'mac', type: 'bit<48>', bitwidth: 48 },
        { name: 'port', type: 'bit<9>', bitwidth: 9 },
        { name: 'valid', type: 'bool' },
      ],
    },
  },
  valueSets: {
    tunnels: { id: 0x0300_0001, size: 2, match: { udp_port: { id: 1, bitwidth: 16, kind: 'exact' } } },
  },
  packetMetadata: {
    packet_out: {
      id: 0x1800_0001,
      fields: { egress_port: { id: 1, bitwidth: 9 }, cookie: { id: 2, bitwidth: 64 } },
    },
  },
} as const satisfies ProgramDescriptor;
