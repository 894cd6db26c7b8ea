import * as service from '@infra-offload/service';
import type { DestinationStream } from 'pino';

export type { Logger, LogLevel } from '@infra-offload/service';

/** Parts of the manager that have a log level of their own. */
export const LOG_MODULES = ['manager', 'server', 'state', 'reconciler', 'target', 'monitoring'] as const;
type LogModule = (typeof LOG_MODULES)[number];

export type Loggers = service.Loggers<LogModule>;

/** One logger for each module. */
export function createLoggers(
  settings: service.LogSettings<LogModule>,
  destination?: DestinationStream,
): Loggers {
  return service.createLoggers('infra-manager', LOG_MODULES, settings, destination);
}
