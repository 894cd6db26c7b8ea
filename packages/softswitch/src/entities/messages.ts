import type { TableEntry } from '@infra-offload/p4rt/proto';

/** A message with nothing but the table set. */
export function bareEntry(tableId: number): TableEntry {
  return {
    tableId,
    match: [],
    action: undefined,
    priority: 0,
    controllerMetadata: 0n,
    meterConfig: undefined,
    counterData: undefined,
    meterCounterData: undefined,
    isDefaultAction: false,
    idleTimeoutNs: 0n,
    timeSinceLastHit: undefined,
    metadata: EMPTY,
    isConst: false,
  };
}

const EMPTY = new Uint8Array(0);
