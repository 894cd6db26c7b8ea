import type { TraceSite } from './compiler/sites.js';
import type { LearnerTable } from './runtime/learner.js';
import { fromWords, type SwxValue } from './values.js';

/** A named value: a field, a parameter. */
export interface TraceValue {
  readonly name: string;
  readonly bits: number;
  readonly value: SwxValue;
}

/** One thing that happened to a packet. */
export type TraceStep =
  | {
      readonly kind: 'instruction';
      readonly line: number;
      /** The instruction as the spec has it. */
      readonly text: string;
      /** The action's name, or `apply`. */
      readonly unit: string;
      /** The fields that it read, before it ran. */
      readonly operands: readonly TraceValue[];
      /** The field that it wrote, after it ran. */
      readonly result?: TraceValue;
      /** Whether a jump was taken. */
      readonly taken?: boolean;
    }
  | {
      readonly kind: 'table';
      readonly table: string;
      readonly type: 'table' | 'learner';
      readonly key: readonly TraceValue[];
      readonly hit: boolean;
      /** What `entryid` gives: the index of the entry, 0 for a miss. */
      readonly entry: number;
      readonly action: string;
      readonly args: readonly TraceValue[];
    }
  | { readonly kind: 'select'; readonly selector: string; readonly group: number; readonly member: number }
  | {
      readonly kind: 'learn';
      readonly learner: string;
      /** False when the learner was full. */
      readonly learned: boolean;
      readonly key: readonly TraceValue[];
      readonly action: string;
      readonly args: readonly TraceValue[];
      readonly timeoutIndex: number;
    }
  | { readonly kind: 'transmit'; readonly port: number; readonly packet: Uint8Array }
  | { readonly kind: 'mirror'; readonly port: number; readonly packet: Uint8Array }
  | { readonly kind: 'recirculate' }
  | {
      readonly kind: 'drop';
      /** `malformed`: no packet came out of it (see stats.malformed). */
      readonly reason: 'drop' | 'malformed';
    };

/** All that happened to one packet. */
export interface Trace {
  readonly port: number;
  readonly packet: Uint8Array;
  readonly steps: readonly TraceStep[];
}

/** How the tracer finds the contents of tables. */
export interface TraceTables {
  entry(table: number, packedKey: readonly number[], entry: number): Extract<TraceStep, { kind: 'table' }>;
  selectorName(table: number): string;
  learned(learner: LearnerTable, row: number): Extract<TraceStep, { kind: 'learn' }>;
}

type InstructionStep = Extract<TraceStep, { kind: 'instruction' }>;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Collects the reports of traced code. */
export class Tracer {
  readonly #sites: readonly TraceSite[];
  readonly #tables: TraceTables;
  #steps: TraceStep[] = [];
  #current: Mutable<InstructionStep> | undefined;
  #site: TraceSite | undefined;

  constructor(sites: readonly TraceSite[], tables: TraceTables) {
    this.#sites = sites;
    this.#tables = tables;
  }

  /** Hands over the steps so far and starts anew. */
  take(): TraceStep[] {
    const steps = this.#steps;
    this.#steps = [];
    this.#current = undefined;
    return steps;
  }

  // Called by generated code (see compiler/flow.ts, tables.ts, instructions.ts).

  step(number: number, values: readonly (readonly number[])[]): void {
    const site = this.#sites[number];
    if (site === undefined) return;
    const { line, text } = site.instruction;
    const operands = site.operands.map(({ name, bits }, i) => ({
      name,
      bits,
      value: fromWords(values[i] ?? [], bits),
    }));
    this.#site = site;
    this.#current = { kind: 'instruction', line, text, unit: site.unit, operands };
    this.#steps.push(this.#current);
  }

  result(words: readonly number[]): void {
    const target = this.#site?.result;
    if (this.#current === undefined || target === undefined) return;
    this.#current.result = { ...target, value: fromWords(words, target.bits) };
  }

  jump(taken: boolean): boolean {
    if (this.#current !== undefined) this.#current.taken = taken;
    return taken;
  }

  table(table: number, packedKey: readonly number[], entry: number): void {
    this.#steps.push(this.#tables.entry(table, packedKey, entry));
  }

  select(table: number, group: number, member: number): void {
    const selector = this.#tables.selectorName(table);
    this.#steps.push({ kind: 'select', selector, group: group >>> 0, member: member >>> 0 });
  }

  learned(learner: LearnerTable, row: number): void {
    this.#steps.push(this.#tables.learned(learner, row));
  }

  // Called by the machine.

  transmitted(port: number, packet: Uint8Array): void {
    this.#steps.push({ kind: 'transmit', port, packet: packet.slice() });
  }

  mirrored(port: number, packet: Uint8Array): void {
    this.#steps.push({ kind: 'mirror', port, packet: packet.slice() });
  }

  recirculated(): void {
    this.#steps.push({ kind: 'recirculate' });
  }

  dropped(reason: 'drop' | 'malformed'): void {
    this.#steps.push({ kind: 'drop', reason });
  }
}

/** A trace as text, one line a step; addresses and the like are in hexadecimal. */
export function formatTrace(trace: Trace): string {
  const lines = [`packet of ${trace.packet.length} bytes on port ${trace.port}`];
  for (const step of trace.steps) lines.push(formatStep(step));
  return lines.join('\n');
}

function formatStep(step: TraceStep): string {
  switch (step.kind) {
    case 'instruction': {
      const reads = step.operands.map(formatValue).join(' ');
      const result = step.result === undefined ? '' : ` -> ${formatValue(step.result)}`;
      const taken = step.taken === undefined ? '' : step.taken ? ' -> jump' : ' -> on';
      const detail = `${reads}${result}${taken}`.trim();
      const indent = step.unit === 'apply' ? '' : '    ';
      return `${String(step.line).padStart(6)}  ${indent}${step.text}${detail === '' ? '' : `    [${detail}]`}`;
    }
    case 'table': {
      const outcome = step.hit ? `hit entry ${step.entry}` : 'miss';
      const call = `${step.action}(${step.args.map(formatValue).join(', ')})`;
      return `        ${step.type} ${step.table} {${step.key.map(formatValue).join(', ')}}: ${outcome}, ${call}`;
    }
    case 'select':
      return `        selector ${step.selector}: group ${step.group}, member ${step.member}`;
    case 'learn': {
      const outcome = step.learned ? 'learned' : 'NOT learned (full)';
      const call = `${step.action}(${step.args.map(formatValue).join(', ')})`;
      return `        learner ${step.learner} {${step.key.map(formatValue).join(', ')}}: ${outcome}, ${call}, timeout ${step.timeoutIndex}`;
    }
    case 'transmit':
      return `        transmit ${step.packet.length} bytes to port ${step.port}`;
    case 'mirror':
      return `        mirror ${step.packet.length} bytes to port ${step.port}`;
    case 'recirculate':
      return '        recirculate';
    case 'drop':
      return step.reason === 'drop' ? '        drop' : '        drop (malformed)';
  }
}

function formatValue({ name, value }: TraceValue): string {
  return `${name}=${value < 10 ? value : `0x${value.toString(16)}`}`;
}
