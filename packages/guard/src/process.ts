/** What logs; pino's loggers do. It must have written when it returns. */
export interface ProgramLog {
  info(fields: object, message: string): void;
  fatal(fields: object, message: string): void;
}

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;
const EXIT_FAILED = 1;

/**
 * Has an exception or a rejection that nobody caught end the process: one entry in the log, exit status 1, at once.
 * Should something of the process hinder that, signals end it from then on, as if it handled none.
 *
 * @param log given anew when a program knows where it logs to
 */
export function endOnUncaught(log: Pick<ProgramLog, 'fatal'>): void {
  const end = (error: unknown): never => {
    for (const event of EVENTS) process.removeAllListeners(event);
    for (const signal of STOP_SIGNALS) process.removeAllListeners(signal);
    try {
      log.fatal({ err: error }, 'nobody caught this: the process ends');
    } finally {
      process.exit(EXIT_FAILED);
    }
  };
  for (const event of EVENTS) process.removeAllListeners(event).on(event, end);
}

const EVENTS = ['uncaughtException', 'unhandledRejection'] as const;

/**
 * Has SIGTERM and SIGINT stop the program in order: exit status 0, or 1 if `stop` is rejected. A second signal is for
 * those in a hurry: it ends the process at once, with status 1.
 */
export function stopOnSignals(stop: () => Promise<unknown>, log: ProgramLog): void {
  let stopping = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(EXIT_FAILED);
    stopping = true;
    log.info({ signal }, 'stopping');
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.fatal({ err: error }, 'could not stop in order');
        process.exit(EXIT_FAILED);
      },
    );
  };
  for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
}
