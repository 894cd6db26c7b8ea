import { SwxError } from '../errors.js';
import type { Instruction, SpecAction, SpecField, SwxSpec } from '../spec.js';
import { argumentWords, type Layout } from './layout.js';
import type { TraceSites } from './sites.js';
import { Fields } from './values.js';

/** What generated functions return when the packet is done, and when only the unit is. Labels are numbers from 0 on. */
export const DONE = -2;
export const RETURN = -1;

/** What all the generated code of one program shares. */
export interface ProgramContext {
  readonly spec: SwxSpec;
  readonly layout: Layout;
  /** Numbers of the objects in the arrays of the runtime, by name. */
  readonly registers: ReadonlyMap<string, number>;
  readonly meters: ReadonlyMap<string, number>;
  readonly tables: ReadonlyMap<string, number>;
  /** Sizes of the register arrays less one: powers of two. */
  readonly registerMask: (name: string) => number;
  /** Set when the code is to report what it does. */
  readonly sites: TraceSites | undefined;
  /** Actions that may end the packet (they transmit or drop). */
  readonly endingActions: ReadonlySet<string>;
  /** Counts the characters of code that instructions make. @throws SwxError UNSUPPORTED when it is too much */
  readonly spend: (characters: number) => void;
  /** Whether any instruction asks which action ran. */
  readonly asksAction: boolean;
}

/** One block of instructions: an action or `apply`. */
export class Unit {
  readonly fields: Fields;

  constructor(
    readonly context: ProgramContext,
    readonly action: SpecAction | undefined,
    readonly instructions: readonly Instruction[],
  ) {
    const args: ReadonlyMap<SpecField, number> = argumentWords(action?.args);
    this.fields = new Fields(context.layout, args, (line) => this.where(line));
  }

  get name(): string {
    return this.action?.name ?? 'apply';
  }

  where(line: number): string {
    return `${this.context.spec.file}:${line}`;
  }

  unsupported(line: number, message: string, token?: string): SwxError {
    const details = { file: this.context.spec.file, line, ...(token === undefined ? {} : { token }) };
    return new SwxError('UNSUPPORTED', `${this.where(line)}: ${message}`, { details });
  }
}
