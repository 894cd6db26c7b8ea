/**
 * The numbers that `k8s_dp` and its control plane agree on (`dpdk/headers.p4`, `dpdk/README.md`). A test compares them with
 * the P4 source.
 */

/** The port of the node itself. It needs a `port_table` entry (`set_host_port`) like any other. */
export const HOST_PORT = 0;

/** Classes that a policy can have: class c of policy p is cell p * `POLICY_CLASSES` + c of `policy_allowed`. */
export const POLICY_CLASSES = 64;

/** Cells of `denied_ends` and `denied_what`. Denied packet n is in cell n % `DENIAL_PLACES`. */
export const DENIAL_PLACES = 256;

/** Why a packet did not go on: the index into `reject_counter`, if it was answered, else into `drop_counter`. */
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
  /** The reply's tuple belongs to another flow, and no other source port was free. */
  conntrackConflict: 7,
  /** The TTL is used up. */
  ttl: 8,
  /** `route_table` says `unreachable`. */
  unreachable: 9,
  /** The flow cannot be remembered. */
  conntrackFull: 10,
  /** `route_table` says `blackhole`. */
  blackhole: 11,
  /** The service has endpoints on other nodes only, and may not use them. */
  noLocalEndpoint: 12,
  /** It is an address of a service, which has none at this port. */
  unusedPort: 13,
  /** The first fragment of the packet has not come, or did not go on. */
  fragment: 14,
  /** The pod begins more flows than its share. */
  podShare: 15,
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
    text: 'no source port is free',
  },
  { reason: DropReason.ttl, name: 'ttl', text: 'TTL expired' },
  { reason: DropReason.unreachable, name: 'unreachable', text: 'destination unreachable' },
  { reason: DropReason.conntrackFull, name: 'conntrackFull', text: 'flow table full' },
  { reason: DropReason.blackhole, name: 'blackhole', text: 'no such service address' },
  {
    reason: DropReason.noLocalEndpoint,
    name: 'noLocalEndpoint',
    text: 'service without endpoint on this node',
  },
  { reason: DropReason.unusedPort, name: 'unusedPort', text: 'port that no service has' },
  { reason: DropReason.fragment, name: 'fragment', text: 'fragment without the first one' },
  { reason: DropReason.podShare, name: 'podShare', text: "beyond the pod's share of new flows" },
];

/** Bits of the parameter `flags` of `set_service`. */
export const ServiceFlag = {
  /** Keep a client on one endpoint (`sessionAffinity: ClientIP`). */
  affinity: 0x01,
  /** There is no endpoint: refuse, with reason 4. */
  noEndpoints: 0x02,
  /** With `noEndpoints`: there are some on other nodes, which may not be used. Drop, with reason 12. */
  notLocal: 0x04,
} as const;

/** What is attached to a port: the key of `answer_source`. */
export const PortKind = { pod: 0, host: 1, uplink: 2 } as const;

/** Bits of the parameter `flags` of `set_endpoint`. */
export const EndpointFlag = {
  /** Connections go on; new ones, and datagrams, go elsewhere. */
  draining: 0x01,
} as const;

/** Bits of the parameter `flags` of `set_flow_epoch`. */
export const EpochFlag = {
  /** Flows are asked again whether policies allow them, and end if these do not. */
  askPolicy: 0x01,
} as const;

/**
 * Where a flow stands: the second byte of its state cell. The timeout of a TCP flow has the number of its state, and so has
 * that of any flow in `newBrief`.
 */
export const FlowState = {
  /** Not answered yet, and begun beyond the pod's share of new flows. */
  newBrief: 0,
  /** Not answered yet. */
  new: 1,
  /** TCP: SYN answered. */
  synAck: 2,
  established: 3,
  /** TCP: the client has closed its direction. */
  finClient: 4,
  /** TCP: the server has closed its direction. */
  finServer: 5,
  /** TCP: both have closed. */
  closing: 6,
  /** TCP: reset. */
  closed: 7,
} as const;

/** Seconds of the timeouts of `conntrack` unless the device config has others, by index. */
export const CONNTRACK_TIMEOUTS = [5, 120, 60, 86_400, 3600, 3600, 120, 10, 30, 120, 30, 30, 210] as const;

/** Seconds for each of {@link CONNTRACK_TIMEOUTS}. */
export type ConntrackTimeouts = SecondsOf<typeof CONNTRACK_TIMEOUTS>;

type SecondsOf<T extends readonly number[]> = { readonly [Index in keyof T]: number };

/** Indexes into {@link CONNTRACK_TIMEOUTS} for flows that are not TCP. */
export const ConntrackTimeout = {
  udpNew: 8,
  udp: 9,
  icmp: 10,
  /** SCTP, not answered yet. */
  otherNew: 11,
  other: 12,
} as const;

/**
 * Seconds of the timeouts of `established` at start, for TCP the second one. Whoever shortens those of `conntrack` has to
 * keep these below them: for as long an entry does without `conntrack`.
 */
export const ESTABLISHED_TIMEOUTS = [10, 30] as const;

/** Seconds for which `fragments` remembers at start where the first fragment of a packet went. */
export const FRAGMENT_TIMEOUTS = [5] as const;

/** Seconds of the timeouts of `affinity` at start: `affinity_profile` of `set_service` is an index into these. */
export const AFFINITY_TIMEOUTS = [
  10, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400,
] as const;

/** SWX answers this endpoint for an empty group: never an endpoint, and never a member's number. */
export const NO_ENDPOINT = 0;

/** Members of `endpoint_selector` have the numbers 1 to this, for all groups together. */
export const MAX_MEMBER = 255;

/** Largest `service_id`: the last index of `service_counter`. */
export const MAX_SERVICE_ID = 65_535;
