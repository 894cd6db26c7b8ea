import type { Comparison, Instruction, Operand } from '../spec.js';
import { compare, compute } from './arithmetic.js';
import { STATE, wordCount } from './layout.js';
import { checksumTerm, dmaCode, headerBytes, rangeBytes, validateCode } from './memory.js';
import { tableCode } from './tables.js';
import { DONE, RETURN, type Unit } from './unit.js';
import { immediate, lowWord, resize, type Value } from './values.js';

type Op<K extends Instruction['op']> = Instruction & { readonly op: K };

/** JavaScript for one instruction. `jump` is the statement that goes to a label. */
export function instructionCode(
  unit: Unit,
  instruction: Instruction,
  jump: (label: string) => string,
): string {
  const { fields } = unit;
  const { line } = instruction;
  switch (instruction.op) {
    case 'rx': {
      // A recirculated packet keeps its metadata, the input port included.
      const port = fields.write(instruction.port, { words: [`M[${STATE.port}]`], bits: 32 }, line);
      return `if(M[${STATE.pass}]===0){${port}}`;
    }
    case 'tx':
      return `X.transmit(${lowWord(fields.read(instruction.port, line))}>>>0);return ${DONE};`;
    case 'drop':
      return `X.drop();return ${DONE};`;
    case 'return':
      return `return ${RETURN};`;
    case 'recirculate':
      return `M[${STATE.recirculate}]=1;`;
    case 'recircid':
      return fields.write(instruction.target, { words: [`M[${STATE.pass}]`], bits: 32 }, line);
    case 'entryid':
      return fields.write(instruction.target, { words: [`M[${STATE.entry}]`], bits: 32 }, line);
    case 'mirror': {
      const slot = lowWord(fields.read(instruction.slot, line));
      return `X.mirror(${slot},${lowWord(fields.read(instruction.session, line))});`;
    }
    case 'extract':
      return extractCode(unit, instruction);
    case 'lookahead': {
      const { base, valid, fixedBytes } = fields.header(instruction);
      const end = `M[${STATE.pointer}]+${fixedBytes}`;
      return `M[${base}]=M[${STATE.pointer}];M[${valid}]=1;if(${end}>M[${STATE.clean}]&&X.overrun(${end}))return ${DONE};`;
    }
    case 'emit': {
      const header = fields.header(instruction);
      return `if(M[${header.valid}]!==0)emit(M[${header.base}],${headerBytes(header)});`;
    }
    case 'validate':
      return validateCode(fields.header(instruction));
    case 'invalidate':
      return `M[${fields.header(instruction).valid}]=0;`;
    case 'mov':
      return fields.write(instruction.target, fields.read(instruction.source, line), line);
    case 'movh':
      return moveHighCode(unit, instruction);
    case 'add':
    case 'sub':
    case 'and':
    case 'or':
    case 'xor':
    case 'shl':
    case 'shr': {
      const target = fields.read(instruction.target, line);
      const { before, value } = compute(
        instruction.op,
        target,
        fields.read(instruction.source, line),
        unit.where(line),
      );
      const write = fields.write(instruction.target, value, line);
      return before === '' ? write : `{${before}${write}}`;
    }
    case 'dma':
      return dmaCode(unit.context.spec, fields, fields.header(instruction), instruction);
    case 'ckadd':
    case 'cksub':
      return checksumCode(unit, instruction);
    case 'hash': {
      const range = rangeBytes(unit.context.spec, fields, instruction.first, instruction.last, line);
      const call = `X.${instruction.function}(${range.array},${range.from},${range.bytes})`;
      return `${range.before}${fields.write(instruction.target, { words: [call], bits: 32 }, line)}`;
    }
    case 'rss': {
      const range = rangeBytes(unit.context.spec, fields, instruction.first, instruction.last, line);
      const object = unit.context.spec.rss.indexOf(instruction.object);
      const call = `X.rss(${object},${range.array},${range.from},${range.bytes})`;
      return `${range.before}${fields.write(instruction.target, { words: [call], bits: 32 }, line)}`;
    }
    case 'table':
      return tableCode(unit, instruction);
    case 'learn':
      return learnCode(unit, instruction);
    case 'rearm': {
      const { timeout } = instruction;
      // A table may run this action, too, before any learner was looked up: as in DPDK, nothing happens then.
      return timeout === undefined ? 'L?.rearm();' : `L?.rearmWith(${lowWord(fields.read(timeout, line))});`;
    }
    case 'forget':
      return 'L.forget();';
    case 'extern':
      throw unit.unsupported(line, `'${instruction.target}': this engine has no externs`, instruction.target);
    case 'regprefetch':
    case 'metprefetch':
      // Reads ahead into the cache; nothing to see.
      return '';
    case 'regrd':
    case 'regwr':
    case 'regadd':
      return registerCode(unit, instruction);
    case 'meter': {
      const array = unit.context.meters.get(instruction.array) ?? 0;
      const index = lowWord(fields.read(instruction.index, line));
      const length = lowWord(fields.read(instruction.length, line));
      const colorIn = lowWord(fields.read(instruction.colorIn, line));
      const call = `X.meters[${array}].run(${index},${length}>>>0,${colorIn})`;
      return fields.write(instruction.colorOut, { words: [call], bits: 32 }, line);
    }
    default: {
      const condition = jumpCondition(unit, instruction);
      const go = jump(instruction.target);
      if (unit.context.sites !== undefined) return `if(Z.jump(${condition ?? 'true'}))${go}`;
      return condition === undefined ? go : `if(${condition})${go}`;
    }
  }
}

type Jump = Extract<Instruction, { readonly op: `jmp${string}` }>;

/** The condition of a jump; undefined for one that is always taken. */
function jumpCondition(unit: Unit, instruction: Jump): string | undefined {
  const { fields } = unit;
  switch (instruction.op) {
    case 'jmp':
      return undefined;
    case 'jmph':
      return `M[${STATE.entry}]!==0`;
    case 'jmpnh':
      return `M[${STATE.entry}]===0`;
    case 'jmpv':
      return `M[${fields.header(instruction).valid}]!==0`;
    case 'jmpnv':
      return `M[${fields.header(instruction).valid}]===0`;
    case 'jmpa':
    case 'jmpna': {
      const id = unit.context.layout.actionIds.get(instruction.action) ?? -1;
      return `M[${STATE.action}]${instruction.op === 'jmpa' ? '===' : '!=='}${id}`;
    }
    default: {
      const { op, a, b, line } = instruction;
      return compare(op, comparand(unit, op, a, b, line), comparand(unit, op, b, a, line), unit.where(line));
    }
  }
}

/** One side of a comparison. */
function comparand(unit: Unit, op: Comparison, side: Operand, other: Operand, line: number): Value {
  if (side.kind === 'immediate' && other.kind === 'header' && (op === 'jmpeq' || op === 'jmpneq')) {
    // DPDK turns the number into network order at the width of the header field, and so cuts it.
    return immediate(side.value & ((1n << BigInt(other.field.bits)) - 1n));
  }
  return unit.fields.read(side, line);
}

function extractCode(unit: Unit, { header, lastFieldBytes, line }: Op<'extract'>): string {
  const { base, valid, length, fixedBytes } = unit.fields.header({ header });
  const at = `M[${base}]=M[${STATE.pointer}];M[${valid}]=1;`;
  const check = `if(o>M[${STATE.clean}]&&X.overrun(o))return ${DONE};`;
  if (lastFieldBytes === undefined || length === undefined) {
    return `{${at}const o=M[${STATE.pointer}]+${fixedBytes};M[${STATE.pointer}]=o;${check}}`;
  }
  const extra = `(${lowWord(unit.fields.read(lastFieldBytes, line))}>>>0)`;
  return `{${at}const n=${fixedBytes}+${extra},o=M[${STATE.pointer}]+n;${check}M[${STATE.pointer}]=o;M[${length}]=n;}`;
}

/** `movh`: the upper 64 of 128 bits, to or from a field of 64 bits or another one of 128. */
function moveHighCode(unit: Unit, { target, source, line }: Op<'movh'>): string {
  const { fields } = unit;
  const from = fields.read(source, line);
  const width = fields.bits(target, line);
  const high: Value = from.bits > 64 ? { words: resize(from, 128).slice(0, 2), bits: 64 } : from;
  if (width <= 64) {
    if (from.bits <= 64) throw unit.unsupported(line, `'movh' needs a 128-bit field on one side`, 'movh');
    return fields.write(target, high, line);
  }
  if (width !== 128)
    throw unit.unsupported(line, `'movh' writes fields of 64 or 128 bits, not ${width}`, 'movh');
  const old = fields.read(target, line);
  return fields.write(target, { words: [...resize(high, 64), ...old.words.slice(2)], bits: 128 }, line);
}

function checksumCode(unit: Unit, instruction: Op<'ckadd'> | Op<'cksub'>): string {
  const { fields } = unit;
  const { target, source, line } = instruction;
  const old = lowWord(fields.read(target, line));
  let sum: string;
  if ('kind' in source) {
    const term = checksumTerm(fields, source, line);
    // A multiple of 0xFFFF above any term keeps the difference positive.
    sum = instruction.op === 'ckadd' ? term : `${0xffff * 8}-(${term})`;
  } else {
    const header = fields.header({ header: source });
    sum = `sum16(M[${header.base}],${headerBytes(header)})`;
  }
  return fields.write(target, { words: [`checksum(${old},${sum})`], bits: 16 }, line);
}

function registerCode(unit: Unit, instruction: Op<'regrd'> | Op<'regwr'> | Op<'regadd'>): string {
  const { fields, context } = unit;
  const { line, array } = instruction;
  const name = `G${context.registers.get(array) ?? 0}`;
  const index = `const i=(${lowWord(fields.read(instruction.index, line))}&${context.registerMask(array)})<<1;`;
  if (instruction.op === 'regrd') {
    return `{${index}${fields.write(instruction.target, { words: [`${name}[i]`, `${name}[i+1]`], bits: 64 }, line)}}`;
  }
  const value = fields.read(instruction.source, line);
  const [high = '0', low = '0'] = resize(value, 64);
  if (instruction.op === 'regwr') return `{${index}${name}[i]=${high};${name}[i+1]=${low};}`;
  const sum = `const s=(${name}[i+1]>>>0)+((${low})>>>0);${name}[i+1]=s;`;
  const carry =
    wordCount(value.bits) === 1
      ? `if(s>4294967295)${name}[i]++;`
      : `${name}[i]+=(${high})+(s>4294967295?1:0);`;
  return `{${index}${sum}${carry}}`;
}

function learnCode(unit: Unit, { action, firstArgument, timeout, line }: Op<'learn'>): string {
  const { context, fields } = unit;
  const id = context.layout.actionIds.get(action) ?? 0;
  const params = context.spec.actions.get(action)?.args?.fields ?? [];
  const first = firstArgument === undefined ? 0 : fields.metadataWord(firstArgument.field);
  const words = params.reduce((sum, { bits }) => sum + wordCount(bits), 0);
  const copies = Array.from({ length: words }, (_, i) => `r[q+${i + 1}]=M[${first + i}];`).join('');
  const report = context.sites === undefined ? '' : `Z.learned(L,e);`;
  const index = timeout === undefined ? '0' : lowWord(fields.read(timeout, line));
  return (
    `{const e=L.claim();if(e!==0){const s=L.store,r=s.rows,q=e*s.stride+s.actionAt;r[q]=${id};${copies}L.arm(e,${index});` +
    `X.counts.learned++}else X.counts.notLearned++;${report}}`
  );
}
