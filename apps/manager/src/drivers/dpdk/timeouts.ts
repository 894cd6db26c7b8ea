import {
  CONNTRACK_TIMEOUTS,
  ConntrackTimeout,
  type ConntrackTimeouts,
  FlowState,
} from '@infra-offload/p4src';
import type { Config } from '../../config/config.js';

/** The timeouts of `conntrack`, in seconds by index, that a configuration stands for. */
export function timeoutsOf(conntrack: Config['dataPlane']['conntrack']): ConntrackTimeouts {
  // Flows beyond a pod's share make way however long others are kept.
  const [brief] = CONNTRACK_TIMEOUTS;
  return [
    brief,
    conntrack.tcpTimeoutSynSent,
    conntrack.tcpTimeoutSynRecv,
    conntrack.tcpTimeoutEstablished,
    conntrack.tcpTimeoutCloseWait,
    conntrack.tcpTimeoutCloseWait,
    conntrack.tcpTimeoutTimeWait,
    conntrack.tcpTimeoutClose,
    conntrack.udpTimeout,
    conntrack.udpTimeoutStream,
    conntrack.icmpTimeout,
    conntrack.sctpTimeoutCookieWait,
    conntrack.sctpTimeoutEstablished,
  ];
}

/** Seconds for which an idle flow of a service keeps its endpoint; see "Connection tracking" of the pipeline. */
export function memoryOf(timeouts: ConntrackTimeouts): {
  readonly [protocol in 'TCP' | 'UDP' | 'SCTP']: number;
} {
  const { new: fresh, synAck, established, finClient, closing } = FlowState;
  const { udpNew, udp, otherNew, other } = ConntrackTimeout;
  const tcp = [fresh, synAck, established, finClient, closing] as const;
  return {
    TCP: Math.max(...tcp.map((state) => timeouts[state])),
    UDP: Math.max(timeouts[udpNew], timeouts[udp]),
    SCTP: Math.max(timeouts[otherNew], timeouts[other]),
  };
}
