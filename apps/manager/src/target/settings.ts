import { modify, P4rtError } from '@infra-offload/p4rt';
import type { DeviceSetting } from '../drivers/driver.js';
import type { Logger } from '../log.js';
import type { Device } from '../reconciler/reconciler.js';

/**
 * Writes the settings that a device does not have yet.
 *
 * @returns what follows for those that it cannot have.
 * @throws P4rtError when it cannot be asked.
 */
export async function ensureSettings(
  device: Device,
  settings: readonly DeviceSetting[],
  logger: Logger,
): Promise<readonly string[]> {
  const lacks: string[] = [];
  for (const setting of settings) {
    try {
      if (await isSet(device, setting)) continue;
      await device.write([modify(setting.entity)]);
    } catch (error) {
      if (!P4rtError.is(error) || !isRefusal(error)) throw error;
      if (!setting.isRequired) continue;
      logger.warn({ reason: error.message }, `the target has ${setting.without}`);
      lacks.push(setting.without);
    }
  }
  return lacks;
}

async function isSet(device: Device, { read, isSet }: DeviceSetting): Promise<boolean> {
  for await (const entity of device.read([read])) return isSet(entity);
  return false;
}

/** Whether a target says that it has no such thing, in whatever words. */
function isRefusal(error: P4rtError): boolean {
  return P4rtError.is(error, 'UNIMPLEMENTED', 'INVALID_ARGUMENT', 'NOT_FOUND', 'WRITE_FAILED');
}
