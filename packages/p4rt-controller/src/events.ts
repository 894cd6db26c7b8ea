import type { P4rtError, SessionState } from '@infra-offload/p4rt';
import type { DigestList, Entity, IdleTimeoutNotification, PacketIn } from '@infra-offload/p4rt/proto';
import type { ControlledSwitch } from './controlled-switch.js';

/** An entity that a switch does not take. It is tried again, after 100 ms at first and 5 s at last. */
export interface Refusal {
  readonly entity: Entity;
  readonly kind: 'insert' | 'modify' | 'delete';
  /** The entity by its names, the code and the switch's own words. */
  readonly message: string;
}

/** Events of a controller and what their listeners get: first the switch. */
export type ControllerEvents = {
  /** Arbitration was answered, for the first time or again. Comes before `primary` or `standby`. */
  readonly connected: [of: ControlledSwitch];
  /** This controller has become the primary of the switch, and begins to set its pipeline and entries. */
  readonly primary: [of: ControlledSwitch];
  /** Another controller is the primary, or for a moment none is; this one takes over when it goes. */
  readonly standby: [of: ControlledSwitch, state: Extract<SessionState, { kind: 'backup' }>];
  /** The switch ran another pipeline, or none. `VERIFY_AND_COMMIT` has cleared its entries. */
  readonly pipelineSet: [of: ControlledSwitch, action: 'RECONCILE_AND_COMMIT' | 'VERIFY_AND_COMMIT'];
  /** The switch holds what is wanted: for the first time, or again after a change, a repair or a reconnection. */
  readonly inSync: [of: ControlledSwitch];
  /** So many entities differed from what was written, as another controller changed them; they are being written again. */
  readonly repaired: [of: ControlledSwitch, entities: number];
  readonly refused: [of: ControlledSwitch, refusal: Refusal];
  /** The switch is connected, but its pipeline cannot be set, its entries cannot be read, or writing as such fails; it is tried again. */
  readonly failed: [of: ControlledSwitch, error: unknown];
  /** The connection broke, or could not be made; it is tried again. */
  readonly disconnected: [of: ControlledSwitch, error: P4rtError];
  readonly packetIn: [of: ControlledSwitch, packet: PacketIn];
  /** Data of a digest; acknowledge it, or the switch will send it again. */
  readonly digest: [of: ControlledSwitch, digest: DigestList, acknowledge: () => void];
  readonly idleTimeout: [of: ControlledSwitch, notification: IdleTimeoutNotification];
  /** A listener threw. Without a listener for this one, it becomes a process warning. */
  readonly listenerError: [error: unknown, event: string];
};

/** Tells an event of a switch. */
export type Tell = <E extends Exclude<keyof ControllerEvents, 'listenerError'>>(
  event: E,
  ...args: ControllerEvents[E]
) => void;
