import { setFlagsFromString } from 'node:v8';
import { Guard } from './guard.js';

/** What logs; pino's loggers do. It must have written when it returns. */
export interface ProgramLog {
  info(fields: object, message: string): void;
  fatal(fields: object, message: string): void;
}

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;
const EXIT_FAILED = 1;

const EVENTS = ['uncaughtException', 'unhandledRejection'] as const;

/** How much a heap may grow between two collections of all garbage, in per cent of what is in use. */
const HEAP_GROWTH_PERCENT = 30;

/**
 * Has V8 collect garbage before much of it is there. What belongs to a connection (TLS and HTTP/2 keep it in native objects) is
 * freed by a collection of the whole heap only, and V8 lets a small heap grow to four times its size until then: clients that
 * come and go would double the memory of a process that keeps nothing of them.
 *
 * Call it once, early. It holds for the process.
 */
export function boundGarbage(): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`);
}

/**
 * Has an exception or a rejection that nobody caught end the process: it is reported once, and the process exits with
 * status 1, at once. Should something hinder that, signals end it from then on, as if it handled none.
 *
 * A call into native code that does not return keeps any process from exiting: whoever makes one ends it when the process
 * emits `exit`.
 *
 * @param report must have written when it returns
 */
export function endOnUncaught(report: (error: unknown, message: string) => void): void {
  const end = (error: unknown): never => {
    for (const event of EVENTS) process.removeAllListeners(event);
    for (const signal of STOP_SIGNALS) process.removeAllListeners(signal);
    try {
      report(error, 'uncaught error: the process ends');
    } finally {
      process.exit(EXIT_FAILED);
    }
  };
  for (const event of EVENTS) process.removeAllListeners(event).on(event, end);
}

/**
 * Has SIGTERM and SIGINT stop the program in order: exit status 0, or 1 if `stop` is rejected. A second signal is for
 * those in a hurry: it ends the process at once, with status 1.
 */
export function stopOnSignals(stop: (signal: NodeJS.Signals) => Promise<unknown>, log: ProgramLog): void {
  let stopping = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(EXIT_FAILED);
    stopping = true;
    log.info({ signal }, 'stopping');
    stop(signal).then(
      () => process.exit(0),
      (error: unknown) => {
        log.fatal({ err: error }, 'could not stop cleanly');
        process.exit(EXIT_FAILED);
      },
    );
  };
  const guard = new Guard((error) => log.fatal({ err: error }, 'could not stop cleanly'));
  for (const signal of STOP_SIGNALS) process.on(signal, guard.handler(onSignal));
}
