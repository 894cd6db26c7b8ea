import { setImmediate as nextTurn } from 'node:timers/promises';
import { insert } from '@infra-offload/p4rt';
import { OfflineTarget } from '@infra-offload/softswitch/offline';
import type { Driver } from '../../drivers/driver.js';

/** Rows that are written before others get a turn. */
const SLICE = 256;

/** The program of a driver with the rows of a device, without the device. */
export async function shadowOf<Row>(
  driver: Pick<Driver<Row>, 'program' | 'deviceConfig' | 'phase' | 'toEntity'>,
  rows: readonly Row[],
): Promise<OfflineTarget> {
  const shadow = new OfflineTarget(driver.program.p4info, driver.deviceConfig);
  await nextTurn();
  // Rows name only rows of lower phases.
  const ordered = [...rows].sort((a, b) => driver.phase(a) - driver.phase(b));
  for (const [i, row] of ordered.entries()) {
    shadow.write(insert(driver.toEntity(row)));
    if (i % SLICE === SLICE - 1) await nextTurn();
  }
  return shadow;
}
