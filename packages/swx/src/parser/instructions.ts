import { unknownName } from '../errors.js';
import type { Comparison, HashFunction, Instruction } from '../spec.js';
import type { Statement } from './blocks.js';
import { location, semanticError, syntaxError } from './lexer.js';
import type { Scope } from './scope.js';

type Body = Instruction extends infer I
  ? I extends unknown
    ? Omit<I, 'line' | 'text' | 'label'>
    : never
  : never;

interface Form {
  /** What follows the mnemonic, for messages. */
  readonly usage: string;
  /** Numbers of operands that are possible. */
  readonly counts: readonly number[];
  readonly where?: 'apply' | 'action';
  readonly parse: (scope: Scope, t: readonly string[], line: number) => Body;
}

/** The operand at an index: the number of operands has been checked before, so '' is never used. */
const at = (t: readonly string[], index: number): string => t[index] ?? '';

const header = (op: 'lookahead' | 'emit' | 'validate' | 'invalidate', where?: 'apply'): Form => ({
  usage: 'h.<header>',
  counts: [1],
  ...(where === undefined ? {} : { where }),
  parse: (scope, t, line) => ({ op, header: scope.header(at(t, 0), line) }),
});

const bare = (op: 'drop' | 'recirculate' | 'return' | 'forget', where?: 'action'): Form => ({
  usage: '',
  counts: [0],
  ...(where === undefined ? {} : { where }),
  parse: () => ({ op }),
});

const alu = (op: 'mov' | 'movh' | 'add' | 'sub' | 'and' | 'or' | 'xor' | 'shl' | 'shr'): Form => ({
  usage: '<target> <source>',
  counts: [2],
  parse: (scope, t, line) => {
    const source = scope.operand(at(t, 1), line);
    if ((source.kind === 'header' || source.kind === 'argument') && source.field.varbit) {
      throw semanticError(scope.file, line, `'${at(t, 1)}': a varbit field cannot be read`, at(t, 1));
    }
    return { op, target: scope.target(at(t, 0), line), source };
  },
});

const compare = (op: Comparison): Form => ({
  usage: '<label> <field or number> <field or number>',
  counts: [3],
  parse: (scope, t, line) => ({
    op,
    target: at(t, 0),
    // DPDK wants a field first, but p4c keeps the order of the program: jmpneq LABEL 0x0 m.direction.
    a: scope.operand(at(t, 1), line),
    b: scope.operand(at(t, 2), line),
  }),
});

const jump = (op: 'jmp' | 'jmph' | 'jmpnh', where?: 'apply'): Form => ({
  usage: '<label>',
  counts: [1],
  ...(where === undefined ? {} : { where }),
  parse: (_scope, t) => ({ op, target: at(t, 0) }),
});

const jumpHeader = (op: 'jmpv' | 'jmpnv'): Form => ({
  usage: '<label> h.<header>',
  counts: [2],
  parse: (scope, t, line) => ({ op, target: at(t, 0), header: scope.header(at(t, 1), line) }),
});

const jumpAction = (op: 'jmpa' | 'jmpna'): Form => ({
  usage: '<label> <action>',
  counts: [2],
  where: 'apply',
  parse: (_scope, t) => ({ op, target: at(t, 0), action: at(t, 1) }),
});

const registerWrite = (op: 'regwr' | 'regadd'): Form => ({
  usage: '<regarray> <index> <value>',
  counts: [3],
  parse: (scope, t, line) => ({
    op,
    array: at(t, 0),
    index: scope.operand(at(t, 1), line),
    source: scope.operand(at(t, 2), line),
  }),
});

const prefetch = (op: 'regprefetch' | 'metprefetch'): Form => ({
  usage: '<array> <index>',
  counts: [2],
  parse: (scope, t, line) => ({ op, array: at(t, 0), index: scope.operand(at(t, 1), line) }),
});

const metadataTarget = (op: 'recircid' | 'entryid'): Form => ({
  usage: 'm.<field>',
  counts: [1],
  parse: (scope, t, line) => ({ op, target: scope.metadataField(at(t, 0), line) }),
});

const HASH_FUNCTIONS: readonly HashFunction[] = ['jhash', 'crc32'];

const FORMS: Readonly<Record<Instruction['op'], Form>> = {
  rx: {
    usage: 'm.<field>',
    counts: [1],
    where: 'apply',
    parse: (scope, t, line) => ({ op: 'rx', port: scope.metadataField(at(t, 0), line) }),
  },
  tx: {
    usage: 'm.<field> or a port number',
    counts: [1],
    parse: (scope, t, line) => {
      const port = scope.operand(at(t, 0), line);
      if (port.kind === 'immediate' || port.kind === 'metadata') return { op: 'tx', port };
      throw syntaxError(scope.file, line, `m.<field> or a port number`, at(t, 0));
    },
  },
  drop: bare('drop'),
  recirculate: bare('recirculate'),
  return: bare('return', 'action'),
  forget: bare('forget', 'action'),
  recircid: metadataTarget('recircid'),
  entryid: metadataTarget('entryid'),
  mirror: {
    usage: '<slot field> <session field>',
    counts: [2],
    parse: (scope, t, line) => ({
      op: 'mirror',
      slot: scope.fieldOperand(at(t, 0), line),
      session: scope.fieldOperand(at(t, 1), line),
    }),
  },
  extract: {
    usage: 'h.<header> [m.<size of the varbit field in bytes>]',
    counts: [1, 2],
    where: 'apply',
    parse: (scope, t, line) => {
      const target = scope.header(at(t, 0), line);
      const varbit = target.struct.fields.at(-1)?.varbit === true;
      if (varbit !== (t.length === 2)) {
        const problem = varbit
          ? `'${target.name}' ends with a varbit field: its size in bytes must follow (extract h.${target.name} m.<field>)`
          : `'${target.name}' has no varbit field: no size may follow`;
        throw semanticError(scope.file, line, problem, at(t, 0));
      }
      const lastFieldBytes = t.length === 2 ? scope.metadataField(at(t, 1), line) : undefined;
      return { op: 'extract', header: target, lastFieldBytes };
    },
  },
  lookahead: header('lookahead', 'apply'),
  emit: header('emit'),
  validate: header('validate'),
  invalidate: header('invalidate'),
  mov: alu('mov'),
  movh: alu('movh'),
  add: alu('add'),
  sub: alu('sub'),
  and: alu('and'),
  or: alu('or'),
  xor: alu('xor'),
  shl: alu('shl'),
  shr: alu('shr'),
  dma: {
    usage: 'h.<header> t.<parameter>',
    counts: [2],
    where: 'action',
    parse: (scope, t, line) => {
      const target = scope.header(at(t, 0), line);
      const source = scope.argument(at(t, 1), line);
      return { op: 'dma', header: target, source };
    },
  },
  ckadd: {
    usage: 'h.<header>.<16-bit field> h.<header>, h.<header>.<field> or m.<field>',
    counts: [2],
    parse: (scope, t, line) => {
      const target = checksumField(scope, at(t, 0), line);
      const whole = /^h\.[^.]*$/.test(at(t, 1));
      const source = whole ? scope.header(at(t, 1), line) : scope.keyField(at(t, 1), line);
      return { op: 'ckadd', target, source };
    },
  },
  cksub: {
    usage: 'h.<header>.<16-bit field> h.<header>.<field> or m.<field>',
    counts: [2],
    parse: (scope, t, line) => ({
      op: 'cksub',
      target: checksumField(scope, at(t, 0), line),
      source: scope.keyField(at(t, 1), line),
    }),
  },
  hash: {
    usage: '<function> m.<target> <first field> <last field>',
    counts: [4],
    parse: (scope, t, line) => {
      const name = HASH_FUNCTIONS.find((candidate) => candidate === at(t, 0));
      if (name === undefined) {
        throw unknownName(
          'hash function',
          at(t, 0),
          HASH_FUNCTIONS,
          location(scope.file, line),
          `${scope.file}:${line}: `,
        );
      }
      return {
        op: 'hash',
        function: name,
        target: scope.metadataField(at(t, 1), line),
        ...fieldRange(scope, t, line),
      };
    },
  },
  rss: {
    usage: '<rss object> m.<target> <first field> <last field>',
    counts: [4],
    parse: (scope, t, line) => ({
      op: 'rss',
      object: at(t, 0),
      target: scope.metadataField(at(t, 1), line),
      ...fieldRange(scope, t, line),
    }),
  },
  table: {
    usage: '<table, selector or learner>',
    counts: [1],
    where: 'apply',
    parse: (_scope, t) => ({ op: 'table', table: at(t, 0) }),
  },
  learn: {
    usage: '<action> [m.<first argument>] [m.<timeout index>]',
    counts: [1, 2, 3],
    where: 'action',
    parse: (scope, t, line) => ({
      op: 'learn',
      action: at(t, 0),
      firstArgument: t.length === 3 ? scope.metadataField(at(t, 1), line) : undefined,
      // The one field of two words may also be the first argument: see resolveLearns.
      timeout: t.length > 1 ? scope.metadataField(at(t, t.length - 1), line) : undefined,
    }),
  },
  rearm: {
    usage: '[m.<timeout index>]',
    counts: [0, 1],
    where: 'action',
    parse: (scope, t, line) => ({
      op: 'rearm',
      timeout: t.length === 1 ? scope.metadataField(at(t, 0), line) : undefined,
    }),
  },
  extern: {
    usage: 'e.<object>.<function> or f.<function>',
    counts: [1],
    parse: (_scope, t) => ({ op: 'extern', target: at(t, 0) }),
  },
  regprefetch: prefetch('regprefetch'),
  regrd: {
    usage: '<target> <regarray> <index>',
    counts: [3],
    parse: (scope, t, line) => ({
      op: 'regrd',
      target: scope.target(at(t, 0), line),
      array: at(t, 1),
      index: scope.operand(at(t, 2), line),
    }),
  },
  regwr: registerWrite('regwr'),
  regadd: registerWrite('regadd'),
  metprefetch: prefetch('metprefetch'),
  meter: {
    usage: '<metarray> <index> <length> <color in> <color out>',
    counts: [5],
    parse: (scope, t, line) => ({
      op: 'meter',
      array: at(t, 0),
      index: scope.operand(at(t, 1), line),
      length: scope.operand(at(t, 2), line),
      colorIn: scope.operand(at(t, 3), line),
      colorOut: scope.target(at(t, 4), line),
    }),
  },
  jmp: jump('jmp'),
  jmph: jump('jmph', 'apply'),
  jmpnh: jump('jmpnh', 'apply'),
  jmpv: jumpHeader('jmpv'),
  jmpnv: jumpHeader('jmpnv'),
  jmpa: jumpAction('jmpa'),
  jmpna: jumpAction('jmpna'),
  jmpeq: compare('jmpeq'),
  jmpneq: compare('jmpneq'),
  jmplt: compare('jmplt'),
  jmpgt: compare('jmpgt'),
  jmple: compare('jmple'),
  jmpge: compare('jmpge'),
};

const FORM_BY_NAME: ReadonlyMap<string, Form> = new Map(Object.entries(FORMS));

/** Parses the statements of an action or of `apply`. Labels live per block. */
export function parseInstructions(statements: readonly Statement[], scope: Scope): Instruction[] {
  const instructions: Instruction[] = [];
  let pending: { readonly label: string; readonly line: number } | undefined;
  for (const { tokens, line, body } of statements) {
    if (body !== undefined)
      throw syntaxError(scope.file, line, `an instruction (blocks end here)`, tokens[0]);
    const labelled = tokens[1] === ':';
    if (labelled && pending !== undefined) {
      throw syntaxError(scope.file, line, `an instruction after the label '${pending.label}'`, tokens[0]);
    }
    const label = labelled ? at(tokens, 0) : pending?.label;
    const words = labelled ? tokens.slice(2) : tokens;
    pending = words.length === 0 && label !== undefined ? { label, line } : undefined;
    if (pending === undefined) instructions.push(parseInstruction(words, label, line, scope));
  }
  if (pending !== undefined) {
    throw syntaxError(scope.file, pending.line, `an instruction after the label '${pending.label}'`);
  }
  checkLabels(instructions, scope.file);
  return instructions;
}

function parseInstruction(
  words: readonly string[],
  label: string | undefined,
  line: number,
  scope: Scope,
): Instruction {
  const name = at(words, 0);
  const operands = words.slice(1);
  const form = FORM_BY_NAME.get(name);
  if (form === undefined) {
    throw unknownName(
      'instruction',
      name,
      FORM_BY_NAME.keys(),
      location(scope.file, line),
      `${scope.file}:${line}: `,
    );
  }
  if (!form.counts.includes(operands.length)) {
    const usage = form.usage === '' ? `nothing after '${name}'` : `'${name} ${form.usage}'`;
    throw syntaxError(scope.file, line, usage, words.join(' '));
  }
  if (form.where !== undefined && (form.where === 'action') !== scope.inAction) {
    const place = form.where === 'action' ? 'in actions only' : `in 'apply' only`;
    throw semanticError(scope.file, line, `'${name}' is possible ${place}`, name);
  }
  return { line, text: words.join(' '), label, ...form.parse(scope, operands, line) };
}

function checkLabels(instructions: readonly Instruction[], file: string): void {
  const labels = new Map<string, number>();
  for (const { label, line } of instructions) {
    if (label === undefined) continue;
    const earlier = labels.get(label);
    if (earlier !== undefined) {
      throw semanticError(file, line, `label '${label}' is on line ${earlier} already`, label);
    }
    labels.set(label, line);
  }
  for (const instruction of instructions) {
    if (!instruction.op.startsWith('jmp') || !('target' in instruction)) continue;
    const { target, line } = instruction;
    if (typeof target === 'string' && !labels.has(target)) {
      throw unknownName('label', target, labels.keys(), location(file, line), `${file}:${line}: `);
    }
  }
}

function checksumField(scope: Scope, token: string, line: number) {
  const field = scope.headerField(token, line);
  if (field.field.bits !== 16) {
    throw semanticError(
      scope.file,
      line,
      `'${token}' is ${field.field.bits} bits wide; a checksum has 16`,
      token,
    );
  }
  return field;
}

/** The two ends of a run of fields to hash: both in the same struct, in order. */
function fieldRange(scope: Scope, t: readonly string[], line: number) {
  const first = scope.fieldOperand(at(t, 2), line);
  const last = scope.fieldOperand(at(t, 3), line);
  const sameHeader = first.kind === 'header' && last.kind === 'header' ? first.header === last.header : true;
  if (first.kind === 'mailbox' || last.kind === 'mailbox') return { first, last };
  if (first.kind !== last.kind || !sameHeader || last.field.offset < first.field.offset) {
    const message = `'${at(t, 2)}' … '${at(t, 3)}' is not a run of fields: they must be in the same struct, first before last`;
    throw semanticError(scope.file, line, message, at(t, 3));
  }
  return { first, last };
}
