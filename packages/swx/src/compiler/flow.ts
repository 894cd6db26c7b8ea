import { instructionCode } from './instructions.js';
import { operandName, readOperands, type TracedOperand, writtenField } from './sites.js';
import { DONE, RETURN, type Unit } from './unit.js';

/** Instructions in one generated function. V8 optimises no function beyond 60 KB of bytecode. */
const SEGMENT_INSTRUCTIONS = 500;

/** Jumps back that one packet may do in a unit before it is given up: a spec may loop for ever, the switch must not. */
const MAX_ROUNDS = 10_000;

/** A run of instructions that becomes one function. */
interface Segment {
  readonly from: number;
  readonly to: number;
}

/** Generated functions of a unit, and the name of the one to call. */
export interface UnitCode {
  readonly functions: string;
  readonly entry: string;
}

/**
 * Compiles a unit. Jumps forward inside a segment become `break` out of nested labelled blocks, which costs nothing at
 * run time and lets V8 see plain forward control flow. Jumps back, and jumps between segments, return the number of
 * their target to a small driver loop that calls the right segment again.
 */
export function unitCode(unit: Unit, name: string, parameters: string): UnitCode {
  const { instructions } = unit;
  const segments: Segment[] = [];
  for (let from = 0; from < instructions.length; from += SEGMENT_INSTRUCTIONS) {
    segments.push({ from, to: Math.min(from + SEGMENT_INSTRUCTIONS, instructions.length) });
  }
  const position = new Map<string, number>();
  instructions.forEach(({ label }, i) => {
    if (label !== undefined) position.set(label, i);
  });
  const segmentOf = (index: number): number => Math.floor(index / SEGMENT_INSTRUCTIONS);

  // Places that are entered from outside their segment or from behind: they get numbers, 0 being the start.
  const entries = new Map<number, number>([[0, 0]]);
  const enter = (index: number): number => {
    const known = entries.get(index);
    if (known !== undefined) return known;
    entries.set(index, entries.size);
    return entries.size - 1;
  };
  instructions.forEach((instruction, i) => {
    const target = jumpTarget(instruction, position);
    if (target !== undefined && (target <= i || segmentOf(target) !== segmentOf(i))) enter(target);
  });
  for (const { from } of segments) enter(from);

  const context: FlowContext = { unit, position, entries, segmentOf };
  if (segments.length <= 1 && entries.size === 1) {
    return {
      functions: `function ${name}(${parameters}){${segmentBody(context, 0, instructions.length)}}`,
      entry: name,
    };
  }
  const list = parameters === '' ? '' : `,${parameters}`;
  const functions = segments.map(
    ({ from, to }, i) => `function ${name}s${i}(l${list}){${segmentBody(context, from, to)}}`,
  );
  const byEntry = [...entries.keys()].map((index) => `${name}s${segmentOf(index)}`);
  functions.push(`const ${name}t=[${byEntry.join(',')}];`);
  const loop = `for(let n=0;n<${MAX_ROUNDS};n++){l=${name}t[l](l${list});if(l<0)return l}`;
  functions.push(`function ${name}(${parameters}){let l=0;${loop}X.giveUp();return ${DONE}}`);
  return { functions: functions.join('\n'), entry: name };
}

interface FlowContext {
  readonly unit: Unit;
  readonly position: ReadonlyMap<string, number>;
  readonly entries: ReadonlyMap<number, number>;
  readonly segmentOf: (index: number) => number;
}

function jumpTarget(
  instruction: { readonly op: string },
  position: ReadonlyMap<string, number>,
): number | undefined {
  if (!instruction.op.startsWith('jmp') || !('target' in instruction)) return undefined;
  return typeof instruction.target === 'string' ? position.get(instruction.target) : undefined;
}

function segmentBody(context: FlowContext, from: number, to: number): string {
  const { unit, position, entries, segmentOf } = context;
  const { instructions } = unit;
  // The places in this segment that are reached by `break`: targets of jumps from before, and entries.
  const breaks = new Set<number>();
  for (let i = from; i < to; i++) {
    const target = jumpTarget(instructions[i] ?? { op: '' }, position);
    if (target !== undefined && target > i && segmentOf(target) === segmentOf(i)) breaks.add(target);
  }
  const inner = [...entries.keys()].filter((index) => index > from && index < to);
  for (const index of inner) breaks.add(index);
  const places = [...breaks].sort((a, b) => a - b);

  const code: string[] = places.map((index) => `b${index}:{`).reverse();
  if (inner.length > 0) {
    code.push(
      `switch(l){${inner.map((index) => `case ${entries.get(index) ?? 0}:break b${index};`).join('')}}`,
    );
  }
  for (let i = from; i < to; i++) {
    if (breaks.has(i)) code.push('}');
    const instruction = instructions[i];
    if (instruction === undefined) continue;
    const jump = (label: string): string => {
      const target = position.get(label) ?? 0;
      return target > i && segmentOf(target) === segmentOf(i)
        ? `break b${target};`
        : `return ${entries.get(target) ?? 0};`;
    };
    const text = tracedCode(unit, instruction, instructionCode(unit, instruction, jump));
    unit.context.spend(text.length);
    code.push(text);
  }
  code.push(
    `return ${to < instructions.length ? (entries.get(to) ?? 0) : unit.action === undefined ? DONE : RETURN};`,
  );
  return code.join('\n');
}

/** Adds the reports of values before and after an instruction, in traced code. */
function tracedCode(unit: Unit, instruction: Unit['instructions'][number], code: string): string {
  const { sites } = unit.context;
  if (sites === undefined) return code;
  const { fields } = unit;
  const { line } = instruction;
  const values: string[] = [];
  const operands: TracedOperand[] = [];
  for (const operand of readOperands(instruction)) {
    if (operand.kind === 'immediate') continue;
    const value = fields.read(operand, line);
    values.push(`[${value.words.join(',')}]`);
    operands.push({ name: operandName(operand), bits: value.bits });
  }
  const written = writtenField(instruction);
  const result =
    written === undefined ? undefined : { name: operandName(written), bits: fields.bits(written, line) };
  const site = sites.add({ instruction, unit: unit.name, operands, result });
  const after = written === undefined ? '' : `Z.result([${fields.read(written, line).words.join(',')}]);`;
  return `Z.step(${site},[${values.join(',')}]);${code}${after}`;
}
