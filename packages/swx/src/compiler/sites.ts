import type { FieldOperand, Instruction, Operand } from '../spec.js';

/** A value that a traced instruction reports. */
export interface TracedOperand {
  readonly name: string;
  readonly bits: number;
}

/** An instruction in traced code: the code reports the number of its site, and values in the order given here. */
export interface TraceSite {
  readonly instruction: Instruction;
  /** The action's name, or `apply`. */
  readonly unit: string;
  readonly operands: readonly TracedOperand[];
  readonly result: TracedOperand | undefined;
}

export class TraceSites {
  readonly all: TraceSite[] = [];

  add(site: TraceSite): number {
    this.all.push(site);
    return this.all.length - 1;
  }
}

/** The fields that an instruction reads, other than table keys and the fields of hashes. */
export function readOperands(instruction: Instruction): Operand[] {
  switch (instruction.op) {
    case 'tx':
      return [instruction.port];
    case 'mirror':
      return [instruction.slot, instruction.session];
    case 'extract':
      return instruction.lastFieldBytes === undefined ? [] : [instruction.lastFieldBytes];
    case 'mov':
    case 'movh':
      return [instruction.source];
    case 'add':
    case 'sub':
    case 'and':
    case 'or':
    case 'xor':
    case 'shl':
    case 'shr':
    case 'cksub':
      return [instruction.target, instruction.source];
    case 'ckadd':
      return 'kind' in instruction.source ? [instruction.target, instruction.source] : [instruction.target];
    case 'hash':
    case 'rss':
      return [instruction.first, instruction.last];
    case 'learn':
    case 'rearm':
      return instruction.timeout === undefined ? [] : [instruction.timeout];
    case 'regprefetch':
    case 'metprefetch':
    case 'regrd':
      return [instruction.index];
    case 'regwr':
    case 'regadd':
      return [instruction.index, instruction.source];
    case 'meter':
      return [instruction.index, instruction.length, instruction.colorIn];
    case 'jmpeq':
    case 'jmpneq':
    case 'jmplt':
    case 'jmpgt':
    case 'jmple':
    case 'jmpge':
      return [instruction.a, instruction.b];
    default:
      return [];
  }
}

/** The field that an instruction writes. */
export function writtenField(instruction: Instruction): FieldOperand | undefined {
  switch (instruction.op) {
    case 'rx':
      return instruction.port;
    case 'recircid':
    case 'entryid':
    case 'mov':
    case 'movh':
    case 'add':
    case 'sub':
    case 'and':
    case 'or':
    case 'xor':
    case 'shl':
    case 'shr':
    case 'ckadd':
    case 'cksub':
    case 'hash':
    case 'rss':
    case 'regrd':
      return instruction.target;
    case 'meter':
      return instruction.colorOut;
    default:
      return undefined;
  }
}

export function operandName(operand: Operand): string {
  switch (operand.kind) {
    case 'header':
      return `h.${operand.header.name}.${operand.field.name}`;
    case 'metadata':
      return `m.${operand.field.name}`;
    case 'argument':
      return `t.${operand.field.name}`;
    case 'mailbox':
      return operand.text;
    case 'immediate':
      return `0x${operand.value.toString(16)}`;
  }
}
