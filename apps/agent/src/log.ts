import { type DestinationStream, type Logger, pino } from 'pino';
import type { AgentConfig, LogModule } from './config/schema.js';

/** Makes the loggers of the agent's parts, each with its own level; JSON lines on standard error unless `destination`. */
export function createLoggers(
  settings: AgentConfig['log'],
  destination: DestinationStream = pino.destination({ dest: 2, sync: true }),
): (module: LogModule) => Logger {
  const root = pino(
    {
      name: 'infra-agent',
      level: 'trace',
      timestamp: pino.stdTimeFunctions.isoTime,
      base: { name: 'infra-agent' },
    },
    destination,
  );
  return (module) => root.child({ module }, { level: settings.modules[module] ?? settings.level });
}
