/**
 * The tables that k8s-infra-offload 24.01 writes on ES2K: keys by their full names, actions, and parameters in their order
 * (p4src/es2k/README.md). Widths are not here: a program tells its own. See {@link bindContract}.
 */

const DST_IP = 'hdrs.ipv4[meta.common.depth].dst_ip';
const SRC_IP = 'hdrs.ipv4[meta.common.depth].src_ip';
const PROTOCOL = 'hdrs.ipv4[meta.common.depth].protocol';
const POINTER = 'meta.common.mod_blob_ptr';
const TO_POD = ['p', 'ptr'] as const;

const RANGES = [
  ...['min0', 'max0', 'min1', 'max1', 'min2', 'max2', 'min3', 'max3'],
  ...['min4', 'max4', 'min5', 'max5', 'min6', 'max6', 'min7', 'max7'],
];

export interface ContractTable {
  /** Which packages have it. */
  readonly part: 'forwarding' | 'services' | 'policy';
  readonly match: readonly string[];
  readonly actions: Readonly<Record<string, readonly string[]>>;
}

export const CONTRACT = {
  arp_to_port_table: {
    part: 'forwarding',
    match: ['hdrs.arp.tpa'],
    actions: { set_dest_vport: ['p'] },
  },
  ipv4_to_port_table_tx: {
    part: 'forwarding',
    match: [DST_IP],
    actions: { set_dest_mac_vport: TO_POD, set_vip_flag: [] },
  },
  ipv4_to_port_table_rx: {
    part: 'forwarding',
    match: [DST_IP],
    actions: { set_dest_vport: ['p'] },
  },
  pod_gateway_mac_mod_table: {
    part: 'forwarding',
    match: [POINTER],
    actions: { update_src_dst_mac: ['smac', 'dmac'] },
  },
  ipv4_to_port_table_tx_tcp: {
    part: 'services',
    match: [DST_IP],
    actions: { set_dest_mac_vport: TO_POD, set_vip_flag_tcp: [] },
  },
  ipv4_to_port_table_tx_service: {
    part: 'services',
    match: [DST_IP],
    actions: { set_dest_mac_vport: TO_POD },
  },
  service_flow_packet_options: {
    part: 'services',
    match: ['istd.direction', 'hdrs.tcp.ack', 'hdrs.tcp.rst', 'hdrs.tcp.syn', 'hdrs.tcp.fin'],
    actions: { tcp_syn_packet: [], tcp_fin_or_rst_packet: [], tcp_other_packets: [] },
  },
  tx_balance: {
    part: 'services',
    match: [DST_IP, PROTOCOL, 'hdrs.l4_port[meta.common.depth].dport', 'meta.common.hash[5:0]'],
    actions: { set_default_lb_dest: TO_POD },
  },
  write_dest_ip_table: {
    part: 'services',
    match: [POINTER],
    actions: { update_dst_ip_mac: ['smac', 'dmac', 'ip', 'port'] },
  },
  write_source_ip_table: {
    part: 'services',
    match: [POINTER],
    actions: { update_src_ip_mac: ['smac', 'ip', 'port'] },
  },
  rx_src_ip: {
    part: 'services',
    match: [SRC_IP, PROTOCOL, 'hdrs.l4_port[meta.common.depth].sport'],
    actions: { set_source_ip: ['ptr'] },
  },
  acl_pod_ip_proto_table_egress: {
    part: 'policy',
    match: [SRC_IP, PROTOCOL],
    actions: {
      set_range_check_ref_tcp_egress: ['range_idx', 'ipset_idx'],
      set_range_check_ref_udp_egress: ['range_idx', 'ipset_idx'],
    },
  },
  acl_pod_ip_table_egress: {
    part: 'policy',
    match: [SRC_IP],
    actions: { set_status_match_ipset_only_egress: ['ipset_idx'], set_status_deny_all: [] },
  },
  acl_pod_ip_proto_table_ingress: {
    part: 'policy',
    match: [DST_IP, PROTOCOL],
    actions: {
      set_range_check_ref_tcp_ingress: ['range_idx', 'ipset_idx'],
      set_range_check_ref_udp_ingress: ['range_idx', 'ipset_idx'],
    },
  },
  acl_pod_ip_table_ingress: {
    part: 'policy',
    match: [DST_IP],
    actions: { set_status_match_ipset_only_ingress: ['ipset_idx'], set_status_deny_all: [] },
  },
  tcp_dport_rc_table: {
    part: 'policy',
    match: ['meta.common.range_idx'],
    actions: { do_range_check_tcp: RANGES },
  },
  udp_dport_rc_table: {
    part: 'policy',
    match: ['meta.common.range_idx'],
    actions: { do_range_check_udp: RANGES },
  },
  acl_lpm_root_lut_egress: {
    part: 'policy',
    match: ['user_meta.gmeta.tcam_key'],
    actions: { acl_lpm_root_lut_egress_action: ['lpm_root'] },
  },
  acl_lpm_root_lut_ingress: {
    part: 'policy',
    match: ['user_meta.gmeta.tcam_key'],
    actions: { acl_lpm_root_lut_ingress_action: ['lpm_root'] },
  },
  acl_ipset_match_table_egress: {
    part: 'policy',
    match: ['ipset_table_lpm_root_egress', DST_IP],
    actions: { set_ipset_match_result: ['mask'] },
  },
  acl_ipset_match_table_ingress: {
    part: 'policy',
    match: ['ipset_table_lpm_root_ingress', SRC_IP],
    actions: { set_ipset_match_result: ['mask'] },
  },
  check_acl_result: {
    part: 'policy',
    match: [
      'user_meta.gmeta.acl_status',
      'meta.fxp_internal.range_check_result',
      'user_meta.gmeta.ipset_check_result',
    ],
    actions: { allow: [], deny: [] },
  },
} as const satisfies Record<string, ContractTable>;

type Contract = typeof CONTRACT;

export type TableName = keyof Contract;
export type ActionName<T extends TableName> = keyof Contract[T]['actions'] & string;

/** One key of an entry, as its table matches it. */
export type KeyValue =
  | number
  | { readonly value: number; readonly mask: number }
  | { readonly value: number; readonly prefixLength: number };

type KeysOf<M extends readonly string[]> = { readonly [I in keyof M]: KeyValue };
export type KeyValues<T extends TableName> = KeysOf<Contract[T]['match']>;

/** Parameters by name, each a number. */
export type ParamValues<
  T extends TableName,
  A extends ActionName<T>,
> = Contract[T]['actions'][A] extends readonly (infer P extends string)[]
  ? { readonly [N in P]: number }
  : never;

/** The table that tells whether a program has a part of the contract. */
export const MARKS = {
  forwarding: 'ipv4_to_port_table_rx',
  services: 'ipv4_to_port_table_tx_tcp',
  policy: 'acl_pod_ip_table_ingress',
} as const satisfies Record<ContractTable['part'], TableName>;

export const TABLE_NAMES = Object.keys(CONTRACT) as readonly TableName[];
