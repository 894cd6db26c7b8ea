import { appendFileSync } from 'node:fs';

/** What a fault test found, as `make faults` shows it and docs/reliability.md quotes it. */
export interface FaultRow {
  /** What is done to the system: `rapid reset on 50002`. */
  readonly fault: string;
  /** What is promised: `an honest client is answered in under 1 s`. */
  readonly promise: string;
  /** How many cases were tried. */
  readonly cases: number;
  /** What was measured, in the reader's units: `slowest answer 41 ms, +3 MB`. */
  readonly measured: string;
  /** The file of the test, from the project's root. */
  readonly test: string;
}

/** Adds a row to the report that `make faults` asks for; without one it does nothing. */
export function recordRow(row: FaultRow): void {
  const file = process.env.FAULTS_REPORT;
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(row)}\n`);
}
