import type { Instruction, Operand, SpecField, SwxSpec } from '../spec.js';
import { semanticError } from './lexer.js';

/** Widest value that DPDK computes with; wider fields are only copied. */
const MAX_BITS = 64;

/** DPDK's rules for operands, the same in all its versions. */
export function checkOperands({ file, apply, actions }: SwxSpec): void {
  for (const { instructions } of [{ instructions: apply }, ...actions.values()])
    for (const instruction of instructions) checkInstruction(file, instruction);
}

function checkInstruction(file: string, instruction: Instruction): void {
  for (const operand of computed(instruction)) {
    const field = fieldOf(operand);
    if (field?.varbit)
      throw fault(`'${field.name}' is a varbit field, which is only extracted and emitted`, field);
    if (field !== undefined && field.bits > MAX_BITS)
      throw fault(`'${field.name}' has ${field.bits} bits, and values have at most ${MAX_BITS}`, field);
  }
  switch (instruction.op) {
    case 'mov':
      checkCopy(instruction.target, instruction.source);
      break;
    case 'movh':
      if (!isHalf(instruction.target, instruction.source) && !isHalf(instruction.source, instruction.target))
        throw fault(`one operand must be a header's field of 64 bits, the other a field of 128 bits`);
      break;
    case 'mirror':
      for (const operand of [instruction.slot, instruction.session])
        if (operand.kind === 'header')
          throw fault("a header's field is neither slot nor session", operand.field);
      break;
    case 'hash':
      if (fieldOf(instruction.last)?.varbit)
        throw fault('the last field is a varbit field', fieldOf(instruction.last));
      break;
    case 'lookahead':
      if (instruction.header.struct.fields.at(-1)?.varbit)
        throw fault(`header '${instruction.header.name}' ends with a varbit field, whose size is not known`);
      break;
    default:
      break;
  }

  /** Fields above 64 bits are in network byte order, as headers are: the other side must be, too. */
  function checkCopy(target: Operand, source: Operand): void {
    const [to, from] = [fieldOf(target), fieldOf(source)];
    if (from?.varbit || to?.varbit) throw fault('a varbit field is only extracted and emitted', from ?? to);
    if (Math.max(to?.bits ?? 0, from?.bits ?? 0) <= MAX_BITS) return;
    if (source.kind === 'immediate')
      throw fault(`'${to?.name}' has more than ${MAX_BITS} bits: it takes no number`, to);
    for (const operand of [target, source]) {
      const field = fieldOf(operand);
      if (operand.kind !== 'header' && field !== undefined && field.bits <= MAX_BITS)
        throw fault(
          `a field of more than ${MAX_BITS} bits is copied from and to others like it, and fields of headers`,
          field,
        );
    }
  }

  function fault(reason: string, field?: SpecField) {
    return semanticError(
      file,
      instruction.line,
      `'${instruction.text}': ${reason}`,
      field?.name ?? instruction.op,
    );
  }
}

function fieldOf(operand: Operand): SpecField | undefined {
  return operand.kind === 'immediate' || operand.kind === 'mailbox' ? undefined : operand.field;
}

function isHalf(half: Operand, whole: Operand): boolean {
  return half.kind === 'header' && half.field.bits === 64 && fieldOf(whole)?.bits === 128;
}

/** The operands that are taken for numbers. */
function computed(instruction: Instruction): readonly Operand[] {
  switch (instruction.op) {
    case 'rx':
    case 'tx':
      return [instruction.port];
    case 'mirror':
      return [instruction.slot, instruction.session];
    case 'recircid':
    case 'entryid':
    case 'hash':
    case 'rss':
      return [instruction.target];
    case 'extract':
      return instruction.lastFieldBytes === undefined ? [] : [instruction.lastFieldBytes];
    case 'add':
    case 'sub':
    case 'and':
    case 'or':
    case 'xor':
    case 'shl':
    case 'shr':
      return [instruction.target, instruction.source];
    case 'ckadd':
      return 'kind' in instruction.source ? [instruction.source] : [];
    case 'cksub':
      return [instruction.source];
    case 'learn': {
      const { firstArgument, timeout } = instruction;
      return [firstArgument, timeout].flatMap((field) => field ?? []);
    }
    case 'rearm':
      return instruction.timeout === undefined ? [] : [instruction.timeout];
    case 'regprefetch':
    case 'metprefetch':
      return [instruction.index];
    case 'regrd':
      return [instruction.target, instruction.index];
    case 'regwr':
    case 'regadd':
      return [instruction.index, instruction.source];
    case 'meter':
      return [instruction.index, instruction.length, instruction.colorIn, instruction.colorOut];
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
