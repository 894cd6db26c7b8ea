import type { P4Program } from '@infra-offload/p4info';
import type { P4Info } from '@infra-offload/p4info/proto';
import type { ProgramLike, ReconnectOptions, SessionOptions } from '@infra-offload/p4rt';
import type { Entity } from '@infra-offload/p4rt/proto';

/** What a switch is to run. */
export interface SwitchPipeline {
  readonly p4info: P4Program | P4Info;
  /** What the target makes of the program, such as bmv2's JSON; see `encodeDeviceConfig` of p4rt for infrap4d. */
  readonly deviceConfig: Uint8Array;
}

/** A switch, and what is wanted of it. */
export interface SwitchOptions
  extends Pick<
    SessionOptions,
    'address' | 'deviceId' | 'credentials' | 'deadlineMs' | 'maxUpdatesPerWrite' | 'maxBytesPerWrite'
  > {
  /** The program that the entities are of. */
  readonly program: ProgramLike;
  /** Set when the switch runs another one, told by a cookie over both parts. Absent: the switch runs the program already. */
  readonly pipeline?: SwitchPipeline;
  /**
   * Tables that the controller keeps, with their action profiles: what is there and not wanted is deleted. Default: all that are not
   * const. To be given if the data plane, or a controller of another role, fills some of them.
   */
  readonly tables?: readonly string[];
  /** What the switch is to hold at first; see `setWanted`. Default: nothing. */
  readonly wanted?: readonly Entity[];
  /** How often what the switch holds is read and compared, in ms. Default 60,000. */
  readonly auditMs?: number;
  /** Waits before connecting again, and before trying again what failed or was refused. Default: 100 ms, doubling up to 5 s. */
  readonly reconnect?: ReconnectOptions;
}
