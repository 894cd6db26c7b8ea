import { type DestinationStream, type Logger, pino } from 'pino';
import * as z from 'zod';
import { type AgentConfig, type LogModule, logLevels, logModules } from './config/schema.js';
import { messageOf } from './errors.js';

type LogLevel = AgentConfig['log']['level'];

const changeSchema = z.strictObject({
  level: z.enum(logLevels).optional(),
  modules: z.partialRecord(z.enum(logModules), z.enum(logLevels)).optional(),
});

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

  /**
   * Changes levels: `{"level": "debug"}` those of all modules, `{"modules": {"sync": "trace"}}` those of some. Both together
   * are possible, too.
   *
   * @returns what is wrong with `text`; nothing is changed then.
   */
  change(text: string): string | undefined {
    let change: z.output<typeof changeSchema>;
    try {
      const parsed = changeSchema.safeParse(JSON.parse(text));
      if (!parsed.success) {
        const problems = parsed.error.issues.map(({ path, message }) =>
          path.length === 0 ? message : `${path.join('.')}: ${message}`,
        );
        return `${problems.join('; ')}; wanted is {"level": <level>, "modules": {<module>: <level>}}`;
      }
      change = parsed.data;
    } catch (error) {
      return `no JSON: ${messageOf(error)}`;
    }
    for (const [module, logger] of this.#loggers) {
      logger.level = change.modules?.[module] ?? change.level ?? logger.level;
    }
    return undefined;
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
