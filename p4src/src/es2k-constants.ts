/** What the ES2K program and its control plane agree on (`es2k/headers.p4`, `es2k/README.md`). */

/** Hash buckets of a service port in `tx_balance`: the values of `meta.common.hash[5:0]`. */
export const ES2K_BUCKETS = 64;

/** Rules of one rule group: the bits of a mask, and the port ranges of one row. */
export const ES2K_RULES_PER_GROUP = 8;

/** Values of `istd.direction`, and the low byte of `tcam_key`. */
export const Es2kDirection = {
  /** From a vport into the device; egress, seen from a pod. */
  transmit: 1,
  /** To a vport; ingress, seen from a pod. */
  receive: 0,
} as const;

/** Values of `acl_status`, the exact key of `check_acl_result`. */
export const Es2kAclStatus = {
  /** No policy selects the pod. */
  none: 0,
  denyAll: 1,
  /** A port range and a set must agree on a rule. */
  rangeAndSet: 2,
  /** The rules name no port: a set alone decides. */
  setOnly: 3,
} as const;

/** Seconds of the learners' timeouts, which p4c gives to all. */
export const ES2K_TIMEOUTS = [10, 30, 60, 120, 300, 43_200, 120, 120] as const;

/** Indexes into {@link ES2K_TIMEOUTS} that the program uses. */
export const Es2kTimeout = {
  /** FIN or RST seen. */
  tcpClosing: 1,
  /** Only SYN seen. */
  tcpNew: 2,
  udp: 3,
  /** SYN-ACK or data seen. */
  tcpEstablished: 5,
} as const;

/**
 * Why the portable program dropped a packet, with the text to show for each: the index into `drop_counter`. Not part of the
 * contract: a package for the chip may lack the counter.
 */
export const ES2K_DROP_REASONS: readonly { readonly reason: number; readonly text: string }[] = [
  { reason: 1, text: 'neither ARP nor IPv4' },
  { reason: 2, text: 'ARP for an address that nobody has' },
  { reason: 3, text: 'destination unknown' },
  { reason: 4, text: 'destination unknown on the receiving side' },
  { reason: 5, text: 'sending and receiving side name different ports' },
  { reason: 6, text: 'no MAC addresses for the destination' },
  { reason: 7, text: 'TCP to a service without connection' },
  { reason: 8, text: 'service without endpoint' },
  { reason: 9, text: 'reply of a service that is gone' },
  { reason: 10, text: 'denied by egress policy' },
  { reason: 11, text: 'denied by ingress policy' },
  { reason: 12, text: 'dropped by the comms channel' },
];
