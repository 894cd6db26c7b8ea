/**
 * The numbers that `k8s_dp` and its control plane agree on (`dpdk/headers.p4`, `dpdk/README.md`). A test compares them with
 * the P4 source.
 */

/** The port of the node itself. It needs a `port_table` entry (`set_host_port`) like any other. */
export const HOST_PORT = 0;

/** The pods' gateway, and the source address that a pod sees when it reaches itself through a service. */
export const GATEWAY_IP = '169.254.1.1';

/** Why a packet was dropped: the index into `drop_counter`. */
export const DropReason = {
  /** The input port has no `port_table` entry. */
  unknownPort: 1,
  /** A pod used a source address that is not its own. */
  spoofedSource: 2,
  /** Neither IPv4 nor ARP, from a pod or the host. */
  notIp: 3,
  /** The service has no endpoint. */
  noEndpoint: 4,
  egressPolicy: 5,
  ingressPolicy: 6,
  /** The reply's tuple belongs to another flow's translation. */
  conntrackConflict: 7,
  /** The TTL is used up. */
  ttl: 8,
  /** `route_table` says `unreachable`. */
  unreachable: 9,
} as const;

export type DropReasonName = keyof typeof DropReason;

/** All drop reasons with the text to show for each, in order of their numbers. */
export const dropReasons: readonly {
  readonly reason: number;
  readonly name: DropReasonName;
  readonly text: string;
}[] = [
  { reason: DropReason.unknownPort, name: 'unknownPort', text: 'input port unknown' },
  { reason: DropReason.spoofedSource, name: 'spoofedSource', text: "source address is not the pod's" },
  { reason: DropReason.notIp, name: 'notIp', text: 'neither IPv4 nor ARP' },
  { reason: DropReason.noEndpoint, name: 'noEndpoint', text: 'service without endpoint' },
  { reason: DropReason.egressPolicy, name: 'egressPolicy', text: 'denied by egress policy' },
  { reason: DropReason.ingressPolicy, name: 'ingressPolicy', text: 'denied by ingress policy' },
  {
    reason: DropReason.conntrackConflict,
    name: 'conntrackConflict',
    text: 'reply tuple belongs to another flow',
  },
  { reason: DropReason.ttl, name: 'ttl', text: 'TTL used up' },
  { reason: DropReason.unreachable, name: 'unreachable', text: 'destination unreachable' },
];

/** Bits of the parameter `flags` of `set_service`. */
export const ServiceFlag = {
  /** Keep a client on one endpoint (`sessionAffinity: ClientIP`). */
  affinity: 0x01,
  /** There is no endpoint: drop, with reason 4. */
  noEndpoints: 0x02,
} as const;

/** What `conntrack` does to the packets of a flow: parameter `kind` of `ct_hit`. */
export const ConntrackKind = {
  pass: 0,
  /** Client to service: the destination becomes the endpoint. */
  dnat: 1,
  /** Endpoint to client: the source becomes the service. */
  snat: 2,
  /** A pod that reaches itself through a service: reply, with both addresses changed. */
  hairpinReply: 3,
} as const;

/**
 * Indexes of the learners' timeouts and their seconds at start. The same for `conntrack` and `affinity`; each can be changed
 * at run time, learner by learner. `affinity_profile` of `set_service` is such an index, of learner `affinity`.
 */
export const timeoutProfiles = [10, 30, 60, 120, 300, 43_200, 120, 120] as const;

/** The timeouts that `conntrack` uses, as indexes into {@link timeoutProfiles}. */
export const ConntrackTimeout = {
  /** TCP, FIN or RST seen. */
  tcpClosing: 1,
  /** TCP, no data yet. */
  tcpNew: 2,
  udp: 3,
  /** TCP, data seen. */
  tcpEstablished: 5,
  /** ICMP echo and SCTP. */
  other: 6,
} as const;

/** SWX answers this endpoint for an empty group: never an endpoint, and never a member's number. */
export const NO_ENDPOINT = 0;

/** Members of `endpoint_selector` have the numbers 1 to this, for all groups together. */
export const MAX_MEMBER = 255;

/** Largest `service_id`: the last index of `service_counter`. */
export const MAX_SERVICE_ID = 65_535;
