import { unknownName } from '../errors.js';
import type {
  Instruction,
  SpecAction,
  SpecActionRef,
  SpecDefaultAction,
  SpecField,
  SwxSpec,
} from '../spec.js';
import { checkKeys } from './keys.js';
import { location, parseNumber, semanticError, syntaxError } from './lexer.js';
import { checkOperands } from './operands.js';
import { checkSizes } from './sizes.js';
import type { RawDefaultAction } from './tables.js';

/** Matches the `<parameter> <value>` pairs of a default action with the parameters of the action. */
export function resolveDefaultAction(
  raw: RawDefaultAction,
  actions: ReadonlyMap<string, SpecAction>,
  file: string,
): SpecDefaultAction {
  const { name, words, isConst, line } = raw;
  const action = actions.get(name);
  if (action === undefined) {
    throw unknownName('action', name, actions.keys(), location(file, line), `${file}:${line}: `);
  }
  const fields = action.args?.fields ?? [];
  // p4c leaves the values out where the program never reaches the default action: they are zero then, as in DPDK.
  if (words.length === 0) return { name, args: fields.map(() => 0n), isConst };
  if (words.length !== fields.length * 2) {
    const usage = fields.length === 0 ? 'none' : fields.map((field) => `${field.name} <value>`).join(' ');
    throw syntaxError(file, line, `the arguments of '${name}': ${usage}`, words.join(' '));
  }
  const args = fields.map((field, i) => defaultArgument(field, words[i * 2], words[i * 2 + 1], file, line));
  return { name, args, isConst };
}

function defaultArgument(
  field: SpecField,
  name: string | undefined,
  text: string | undefined,
  file: string,
  line: number,
): bigint {
  if (name !== field.name) throw syntaxError(file, line, `the parameter '${field.name}'`, name);
  const value = parseNumber(text ?? '');
  if (value === undefined) throw syntaxError(file, line, `a value for '${field.name}'`, text);
  if (value >= 1n << BigInt(field.bits)) {
    throw semanticError(file, line, `'${text}' does not fit the ${field.bits} bits of '${field.name}'`, text);
  }
  return value;
}

/** What can only be checked with the whole spec at hand. */
export function checkSpec(spec: SwxSpec, applyLine: number): void {
  const { file } = spec;
  checkNames(spec);
  checkSizes(spec);
  checkKeys(spec);
  checkOperands(spec);
  for (const table of [...spec.tables.values(), ...spec.learners.values()]) {
    checkActionRefs(spec, table.actions, table.defaultAction, table.name, table.line);
  }
  const learning = new Map(
    [...spec.actions.values()].map(({ name, instructions }) => [
      name,
      instructions.find(({ op }) => op === 'learn' || op === 'forget'),
    ]),
  );
  for (const table of spec.tables.values()) {
    for (const { name } of table.actions) {
      const found = learning.get(name);
      if (found !== undefined) {
        const does = found.op === 'learn' ? 'learns' : 'forgets';
        const message = `table '${table.name}': action '${name}' ${does}; only learners may use it`;
        throw semanticError(file, table.line, message, name);
      }
    }
  }
  for (const learner of spec.learners.values()) {
    const entryActions = new Set(
      learner.actions.filter(({ forEntries }) => forEntries).map(({ name }) => name),
    );
    for (const { name } of learner.actions) {
      for (const learn of learnsIn(spec.actions.get(name))) {
        if (!entryActions.has(learn.action)) {
          const message = `learner '${learner.name}' has no action '${learn.action}' for its entries, but '${name}' learns it`;
          throw semanticError(file, learn.line, message, learn.action);
        }
      }
    }
  }
  for (const action of spec.actions.values()) {
    if (!action.instructions.some(({ op }) => op === 'return' || isTransmit(op))) {
      throw semanticError(
        file,
        action.line,
        `action '${action.name}' has neither 'return' nor 'tx' nor 'drop'`,
        action.name,
      );
    }
    for (const instruction of action.instructions) checkReferences(spec, instruction);
  }
  for (const instruction of spec.apply) checkReferences(spec, instruction);
  checkApply(spec, applyLine);
}

const isTransmit = (op: Instruction['op']): boolean => op === 'tx' || op === 'drop';

function learnsIn(action: SpecAction | undefined) {
  return (action?.instructions ?? []).filter((instruction) => instruction.op === 'learn');
}

function checkApply({ apply, file }: SwxSpec, line: number): void {
  const first = apply[0];
  const last = apply.at(-1);
  if (first?.op !== 'rx')
    throw semanticError(file, first?.line ?? line, `'apply' must start with 'rx'`, first?.op);
  const again = apply.slice(1).find(({ op }) => op === 'rx');
  if (again !== undefined)
    throw semanticError(file, again.line, `'rx' is possible at the start of 'apply' only`, 'rx');
  if (!apply.some(({ op }) => isTransmit(op)))
    throw semanticError(file, line, `'apply' has no 'tx' and no 'drop'`, 'apply');
  if (last !== undefined && !isTransmit(last.op) && last.op !== 'jmp') {
    throw semanticError(file, last.line, `'apply' must end with 'tx', 'drop' or 'jmp'`, last.op);
  }
}

/** `table` finds tables, selectors and learners by one name. */
function checkNames({ tables, selectors, learners, file }: SwxSpec): void {
  const seen = new Map<string, number>();
  for (const { name, line } of [...tables.values(), ...selectors.values(), ...learners.values()]) {
    const earlier = seen.get(name);
    if (earlier !== undefined) {
      throw semanticError(
        file,
        line,
        `a table, selector or learner '${name}' is on line ${earlier} already`,
        name,
      );
    }
    seen.set(name, line);
  }
}

function checkActionRefs(
  { actions, file }: SwxSpec,
  refs: readonly SpecActionRef[],
  defaultAction: SpecDefaultAction,
  table: string,
  line: number,
): void {
  for (const { name } of refs) {
    if (!actions.has(name)) {
      throw unknownName(
        'action',
        name,
        actions.keys(),
        location(file, line),
        `${file}:${line}: table '${table}': `,
      );
    }
  }
  const ref = refs.find(({ name }) => name === defaultAction.name);
  if (ref === undefined || !ref.forDefault) {
    const why = ref === undefined ? 'not among its actions' : 'marked @tableonly';
    throw semanticError(
      file,
      line,
      `table '${table}': the default action '${defaultAction.name}' is ${why}`,
      defaultAction.name,
    );
  }
}

/** A map by name, or a set of names. */
interface Names {
  has(name: string): boolean;
  keys(): Iterable<string>;
}

function checkReferences(spec: SwxSpec, instruction: Instruction): void {
  const { file } = spec;
  const { line } = instruction;
  const known = (kind: string, name: string, ...objects: readonly Names[]): void => {
    if (objects.some((some) => some.has(name))) return;
    const names = objects.flatMap((some) => [...some.keys()]);
    throw unknownName(kind, name, names, location(file, line), `${file}:${line}: `);
  };
  switch (instruction.op) {
    case 'table':
      known('table, selector or learner', instruction.table, spec.tables, spec.selectors, spec.learners);
      break;
    case 'learn':
      known('action', instruction.action, spec.actions);
      checkLearn(spec, instruction);
      break;
    case 'jmpa':
    case 'jmpna':
      known('action', instruction.action, spec.actions);
      break;
    case 'regprefetch':
    case 'regrd':
    case 'regwr':
    case 'regadd':
      known('regarray', instruction.array, spec.registers);
      break;
    case 'metprefetch':
    case 'meter':
      known('metarray', instruction.array, spec.meters);
      break;
    case 'rss':
      known('rss object', instruction.object, new Set(spec.rss));
      break;
    default:
      break;
  }
}

/** The arguments of a learned action are as many metadata fields of the same widths, from the named one on. */
function checkLearn(spec: SwxSpec, learn: Extract<Instruction, { op: 'learn' }>): void {
  const params = spec.actions.get(learn.action)?.args?.fields ?? [];
  const fields = learnedFields(spec, learn.firstArgument?.field, params.length);
  const fits = fields.length === params.length && fields.every(({ bits }, i) => bits === params[i]?.bits);
  if (fits) return;
  const wanted = params.map(({ name, bits }) => `${name} (${bits})`).join(', ');
  const given = fields.map(({ name, bits }) => `${name} (${bits})`).join(', ');
  const message =
    learn.firstArgument === undefined
      ? `'${learn.action}' has parameters (${wanted}): name the metadata field of the first`
      : `the parameters of '${learn.action}' are ${wanted}, but the metadata fields from '${learn.firstArgument.field.name}' on are ${given}`;
  throw semanticError(spec.file, learn.line, message, learn.action);
}

/** The metadata fields that an action's arguments are learned from. */
export function learnedFields(
  spec: SwxSpec,
  first: SpecField | undefined,
  count: number,
): readonly SpecField[] {
  if (first === undefined) return [];
  const start = spec.metadata.fields.indexOf(first);
  return spec.metadata.fields.slice(start, start + count);
}
