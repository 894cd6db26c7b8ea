/** What is known of a port; also what gNMI tells. */
export interface PortInfo {
  /** Number that the pipeline sees. `P4TAP_0` is port 0 unless it was made with another number. */
  readonly number: number;
  readonly name: string;
  readonly kind: 'TAP' | 'MEMORY';
  /** Largest IP packet in bytes, without the Ethernet header. */
  readonly mtu: number;
  /** MAC address of the device as `02:50:34:00:00:00`; a locally administered one, the same at every start. */
  readonly mac: string;
}

/** Packets and octets since the start; `rx` is what the pipeline was given. */
export interface PortStatistics {
  rxPackets: number;
  rxBytes: number;
  txPackets: number;
  txBytes: number;
  /** Packets that the port could not take: queue full, link down, device gone, packet too long. */
  txErrors: number;
}

/** What to make: `number` is chosen from the name (`X_7` is 7) or the lowest free one if left out. */
export interface PortRequest {
  readonly name: string;
  readonly number?: number;
  readonly mtu?: number;
}

/** A packet from a port. `buffer` may be written and is only valid during the call; the packet has `length` bytes. */
export type PacketHandler = (port: number, buffer: Uint8Array, length: number) => void;

/**
 * Where packets come from and go to. Ports are numbered from 0; the set may change while running.
 * Nothing but {@link create}, {@link remove}, {@link start} and {@link stop} throws.
 */
export interface PortProvider {
  /** Begins to deliver packets. Called once. */
  start(receive: PacketHandler): Promise<void>;
  /** Sends a packet; one to a port that does not exist, or does not take it, is counted and dropped. */
  transmit(port: number, packet: Uint8Array): void;
  /** Makes a port; ALREADY_EXISTS, INVALID_ARGUMENT or UNAVAILABLE if it cannot. */
  create(request: PortRequest): PortInfo;
  /** Removes a port by name; NOT_FOUND. */
  remove(name: string): void;
  list(): PortInfo[];
  find(name: string): PortInfo | undefined;
  statistics(port: number): PortStatistics | undefined;
  /** Packets for ports that do not exist. */
  readonly unknownPortDrops: number;
  /** Stops and removes everything that was made. May be called twice. */
  stop(): Promise<void>;
}
