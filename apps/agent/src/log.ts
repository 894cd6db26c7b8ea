import * as service from '@infra-offload/service';
import type { DestinationStream } from 'pino';

/** The parts of the agent that log with a level of their own. */
export const LOG_MODULES = [
  'agent',
  'cni',
  'interfaces',
  'sync',
  'services',
  'policies',
  'monitoring',
] as const;
export type LogModule = (typeof LOG_MODULES)[number];

export type Loggers = service.Loggers<LogModule>;
export type LogLevels = service.LogLevels<LogModule>;

/** The loggers of the agent's parts, each with its own level. */
export function createLoggers(
  settings: service.LogSettings<LogModule>,
  destination?: DestinationStream,
): Loggers {
  return service.createLoggers('infra-agent', LOG_MODULES, settings, destination);
}
