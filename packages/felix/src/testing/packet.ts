/** The first packet of a flow, as policies see it. Addresses are numbers. */
export interface Packet {
  readonly source: number;
  readonly destination: number;
  readonly protocol: number;
  /** undefined for protocols without ports. */
  readonly ports: { readonly source: number; readonly destination: number } | undefined;
  readonly icmp: { readonly type: number; readonly code: number } | undefined;
}
