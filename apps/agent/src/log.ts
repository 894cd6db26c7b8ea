import { type DestinationStream, type Logger, pino } from 'pino';
import * as z from 'zod';
import { type AgentConfig, type LogModule, logLevels, logModules } from './config/schema.js';

type LogLevel = AgentConfig['log']['level'];

/** Levels of all modules, of some, or both. */
export const logLevelChangeSchema = z.strictObject({
  level: z.enum(logLevels).optional(),
  modules: z.partialRecord(z.enum(logModules), z.enum(logLevels)).optional(),
});

export type LogLevelChange = Readonly<z.output<typeof logLevelChangeSchema>>;

/** The loggers of the agent's parts, and their levels, which may change at any time. */
export class LogLevels {
  readonly #loggers: ReadonlyMap<LogModule, Logger>;

  constructor(loggers: ReadonlyMap<LogModule, Logger>) {
    this.#loggers = loggers;
  }

  /** The level of each module. */
  current(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#loggers].map(([module, { level }]) => [module, level]));
  }

  /** `level` for all modules, and over it `modules` for some. */
  change({ level, modules = {} }: LogLevelChange): void {
    for (const [module, logger] of this.#loggers) logger.level = modules[module] ?? level ?? logger.level;
  }
}

export interface Loggers {
  readonly of: (module: LogModule) => Logger;
  readonly levels: LogLevels;
}

/** Makes the loggers of the agent's parts, each with its own level; JSON lines on standard error unless `destination`. */
export function createLoggers(
  settings: AgentConfig['log'],
  destination: DestinationStream = pino.destination({ dest: 2, sync: true }),
): Loggers {
  const root = pino(
    {
      name: 'infra-agent',
      level: 'trace',
      timestamp: pino.stdTimeFunctions.isoTime,
      base: { name: 'infra-agent' },
    },
    destination,
  );
  const levelOf = (module: LogModule): LogLevel => settings.modules[module] ?? settings.level;
  const loggers = new Map(
    logModules.map((module): [LogModule, Logger] => [
      module,
      root.child({ module }, { level: levelOf(module) }),
    ]),
  );
  return { of: (module) => loggers.get(module) ?? root, levels: new LogLevels(loggers) };
}
