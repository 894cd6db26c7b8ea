import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** Parts of the manager that have a log level of their own. */
export const LOG_MODULES = ['manager', 'server', 'state', 'reconciler', 'target', 'metrics'] as const;
export type LogModule = (typeof LOG_MODULES)[number];

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogConfig {
  readonly level: LogLevel;
  /** Levels of single modules. */
  readonly modules: { readonly [M in LogModule]?: LogLevel | undefined };
}

export type Loggers = { readonly [M in LogModule]: Logger };

/** One logger a module: JSON lines with the fields `name` and `module`. */
export function createLoggers(config: LogConfig, destination?: DestinationStream): Loggers {
  const root = pino(
    { name: 'infra-manager', level: 'trace', base: {}, timestamp: pino.stdTimeFunctions.isoTime },
    destination,
  );
  const child = (module: LogModule): Logger =>
    root.child({ module }, { level: config.modules[module] ?? config.level });
  return {
    manager: child('manager'),
    server: child('server'),
    state: child('state'),
    reconciler: child('reconciler'),
    target: child('target'),
    metrics: child('metrics'),
  };
}
