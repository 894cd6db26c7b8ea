import { type DestinationStream, type Logger, pino } from 'pino';
import pretty from 'pino-pretty';
import * as z from 'zod';

export type { Logger } from 'pino';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The key `log` of a configuration. */
export interface LogSettings<Module extends string> {
  readonly level: LogLevel;
  /** Levels of single modules. */
  readonly modules: { readonly [M in Module]?: LogLevel | undefined };
}

/** One logger for each part of a program. */
export type Loggers<Module extends string> = { readonly [M in Module]: Logger };

const level = z.enum(LOG_LEVELS);

/** Schema of {@link LogSettings}. */
export function logSchema<Module extends string>(
  modules: readonly [Module, ...Module[]],
): z.ZodPrefault<z.ZodType<LogSettings<Module>, LogLevelChange<Module>>> {
  return z
    .strictObject({
      level: level.default('info'),
      modules: z.partialRecord(z.enum(modules), level).default({}),
    })
    .prefault({});
}

/** Levels of all modules, of some, or both. */
export interface LogLevelChange<Module extends string> {
  readonly level?: LogLevel | undefined;
  readonly modules?: LogSettings<Module>['modules'] | undefined;
}

/** Schema of {@link LogLevelChange}. */
export function levelChangeSchema<Module extends string>(
  modules: readonly [Module, ...Module[]],
): z.ZodType<LogLevelChange<Module>> {
  return z.strictObject({
    level: level.optional(),
    modules: z.partialRecord(z.enum(modules), level).optional(),
  });
}

/**
 * Loggers with the fields `name` and `module`, each with its own level.
 *
 * @param destination of JSON lines; default: standard error, as JSON lines or, on a terminal, as text for people
 */
export function createLoggers<Module extends string>(
  name: string,
  modules: readonly Module[],
  settings: LogSettings<Module>,
  destination: DestinationStream = standardError(),
): Loggers<Module> {
  const root = pino(
    { name, level: 'trace', base: {}, timestamp: pino.stdTimeFunctions.isoTime },
    destination,
  );
  const entries = modules.map((module): [Module, Logger] => [
    module,
    root.child({ module }, { level: settings.modules[module] ?? settings.level }),
  ]);
  return Object.fromEntries(entries) as Loggers<Module>;
}

/** Written when the call returns, so that nothing is lost when the process ends. */
function standardError(): DestinationStream {
  const destination = pino.destination({ dest: 2, sync: true });
  if (!process.stderr.isTTY) return destination;
  return pretty({
    destination,
    ignore: 'name,module',
    messageFormat: '{module}: {msg}',
    translateTime: 'SYS:HH:MM:ss.l',
  });
}

/** Levels of loggers, which may change at any time. */
export class LogLevels<Module extends string> {
  readonly #loggers: readonly (readonly [Module, Logger])[];

  constructor(loggers: Loggers<Module>) {
    this.#loggers = Object.entries(loggers) as [Module, Logger][];
  }

  /** The level of each module. */
  current(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#loggers.map(([module, { level }]) => [module, level]));
  }

  /** `level` for all modules, and over it `modules` for some. */
  change({ level, modules = {} }: LogLevelChange<Module>): void {
    for (const [module, logger] of this.#loggers) logger.level = modules[module] ?? level ?? logger.level;
  }
}
