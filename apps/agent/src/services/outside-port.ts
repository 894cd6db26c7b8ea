/** A port of a service that is reached from outside of the data plane, through the node's kernel. */
export interface OutsidePort {
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  /** On every address of the node. The data plane has it at the same port of 169.254.1.1. */
  readonly nodePort: number | undefined;
  /**
   * The port of 169.254.1.1 for the node itself and its pods, who are sent to the whole cluster whatever the traffic policy;
   * undefined if it is the same for them.
   */
  readonly insidePort: number | undefined;
  readonly addresses: readonly OutsideAddress[];
}

/** An external address, or one of a load balancer. */
export interface OutsideAddress {
  readonly address: string;
  readonly port: number;
  /** The port of 169.254.1.1 at which the data plane has it. */
  readonly gatewayPort: number;
  /** CIDRs of the clients that may use it; empty: all. */
  readonly sourceRanges: readonly string[];
}
