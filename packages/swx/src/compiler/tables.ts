import { HASH_MULTIPLIER, HASH_SEED } from '../hash.js';
import type { Instruction, SpecActionRef, SpecKeyField, SpecSelector } from '../spec.js';
import { planKey } from './keys.js';
import { STATE } from './layout.js';
import { storeBytes } from './memory.js';
import { DONE, type ProgramContext, type Unit } from './unit.js';
import { type Fields, lowWord } from './values.js';

/** JavaScript expressions for the packed words of a key. */
function keyWords(fields: Fields, key: readonly SpecKeyField[], line: number): string[] {
  const values = key.map(({ operand }) => fields.read(operand, line));
  return planKey(key).map((parts) =>
    parts
      .map(({ field, word, shift }) => {
        const text = values[field]?.words[word] ?? '0';
        return shift === 0 ? text : `${text}<<${shift}`;
      })
      .join('|'),
  );
}

/** Code for `table`, `selector` or `learner` `<name>`. */
export function tableCode(unit: Unit, { table: name, line }: Extract<Instruction, { op: 'table' }>): string {
  const { spec } = unit.context;
  const selector = spec.selectors.get(name);
  if (selector !== undefined) return selectorCode(unit, selector, line);
  const learner = spec.learners.get(name);
  if (learner !== undefined) {
    const words = keyWords(unit.fields, learner.key, line);
    return `{L=T${number(unit, name)};${dispatch(unit, name, learner.actions, `look${number(unit, name)}(${words.join(',')})`, words)}}`;
  }
  const table = spec.tables.get(name);
  if (table === undefined) throw unit.unsupported(line, `there is no table '${name}'`, name);
  const words = keyWords(unit.fields, table.key, line);
  if (words.length === 0) return `{${dispatch(unit, name, table.actions, '0', words)}}`;
  if (table.key.every(({ match }) => match === 'exact')) {
    return `{${dispatch(unit, name, table.actions, `look${number(unit, name)}(${words.join(',')})`, words)}}`;
  }
  const n = number(unit, name);
  const stores = words.map((word, i) => `K${n}[${i}]=${word};`).join('');
  return `{${stores}${dispatch(unit, name, table.actions, `T${n}.lookup()`, words)}}`;
}

const number = (unit: Unit, name: string): number => unit.context.tables.get(name) ?? 0;

/** Looks up, notes the entry, and runs its action (that of row 0 for a miss). */
function dispatch(
  unit: Unit,
  name: string,
  actions: readonly SpecActionRef[],
  lookup: string,
  words: readonly string[],
): string {
  const { context } = unit;
  const n = number(unit, name);
  const state = `const e=${lookup};M[${STATE.entry}]=e;C[e===0?${2 * n + 1}:${2 * n}]++;`;
  const row = `const R=S${n}.rows,b=e*S${n}.stride+S${n}.actionAt+1,a=R[b-1];`;
  const note = context.asksAction ? `M[${STATE.action}]=a;` : '';
  const report = context.sites === undefined ? '' : `Z.table(${n},[${words.join(',')}],e);`;
  const calls = actions.map((ref) => {
    const id = context.layout.actionIds.get(ref.name) ?? 0;
    const call = `a${id}(R,b)`;
    return {
      id,
      code: context.endingActions.has(ref.name) ? `if(${call}===${DONE})return ${DONE};` : `${call};`,
    };
  });
  const [only] = calls;
  const run =
    calls.length === 1 && only !== undefined
      ? only.code
      : `switch(a){${calls.map(({ id, code }) => `case ${id}:${code}break;`).join('')}}`;
  return `${state}${row}${note}${report}${run}`;
}

/** The bytes that a selector hashes: from its first to its last field, as they lie in the struct. */
export function selectorRange(fields: readonly SpecKeyField[]): {
  readonly from: number;
  readonly bytes: number;
} {
  const starts = fields.map(({ operand }) => operand.field.offset);
  const ends = fields.map(({ operand }) => operand.field.offset + operand.field.bits / 8);
  const from = Math.min(...starts);
  return { from, bytes: Math.max(...ends) - from };
}

function selectorCode(unit: Unit, selector: SpecSelector, line: number): string {
  const { fields } = unit;
  const n = number(unit, selector.name);
  const { from } = selectorRange(selector.fields);
  const stores = selector.fields.map(({ operand }) => {
    const { bits, offset } = operand.field;
    const { words } = fields.read(operand, line);
    // storeBytes stores big fields in network order; header fields are in network order at any width.
    if (operand.kind !== 'header') return storeBytes(words, bits, `K${n}`, offset - from);
    const place = fields.headerPlace(operand);
    return Array.from({ length: bits / 8 }, (_, i) => `K${n}[${offset - from + i}]=B[${place}+${i}];`).join(
      '',
    );
  });
  const group = lowWord(fields.read(selector.groupId, line));
  const member = { words: [`T${n}.select(${group})`], bits: 32 };
  const report =
    unit.context.sites === undefined
      ? ''
      : `Z.select(${n},${group},${lowWord(fields.read(selector.memberId, line))});`;
  return `${stores.join('')}C[${2 * n}]++;${fields.write(selector.memberId, member, line)}${report}`;
}

/** Declarations of the lookup functions: hash and probe unrolled for the number of key words. */
export function lookupFunctions(context: ProgramContext): string {
  const code: string[] = [];
  for (const table of context.spec.tables.values()) {
    const words = planKey(table.key).length;
    if (words > 0 && table.key.every(({ match }) => match === 'exact')) {
      code.push(exactLookup(context.tables.get(table.name) ?? 0, words));
    }
  }
  for (const learner of context.spec.learners.values()) {
    code.push(learnerLookup(context.tables.get(learner.name) ?? 0, planKey(learner.key).length));
  }
  return code.join('\n');
}

/** The steps of hashWords() of hash.ts. */
function hashSteps(words: number): string {
  const steps = Array.from({ length: words }, (_, i) => `h=Math.imul(h^k${i},${HASH_MULTIPLIER});h^=h>>>15;`);
  return `let h=${HASH_SEED};${steps.join('')}h^=h>>>13;`;
}

const names = (words: number): string => Array.from({ length: words }, (_, i) => `k${i}`).join(',');

function equal(words: number): string {
  // `|` makes an int32 of a word whatever it was computed from.
  return Array.from({ length: words }, (_, i) => `r[q${i === 0 ? '' : `+${i}`}]===k${i}`).join('&&');
}

const toInt = (words: number): string => Array.from({ length: words }, (_, i) => `k${i}|=0;`).join('');

function exactLookup(n: number, words: number): string {
  return (
    `function look${n}(${names(words)}){${toInt(words)}${hashSteps(words)}` +
    `const x=I${n}.slots,m=I${n}.mask,r=S${n}.rows;let i=h&m;` +
    `for(;;){const e=x[i];if(e===0)return 0;const q=e*S${n}.stride;if(${equal(words)})return e;i=i+1&m;}}`
  );
}

function learnerLookup(n: number, words: number): string {
  const keep = Array.from({ length: words }, (_, i) => `K${n}[${i}]=k${i};`).join('');
  return (
    `function look${n}(${names(words)}){${toInt(words)}${hashSteps(words)}` +
    `const x=I${n}.slots,m=I${n}.mask,s=S${n},r=s.rows;let i=h&m;` +
    `for(;;){const e=x[i];if(e===0)break;const q=e*s.stride;` +
    `if(${equal(words)}){if(s.times[(q>>1)+s.expiryAt]>X.now()){T${n}.last=e;return e}break}i=i+1&m}` +
    `${keep}T${n}.last=0;return 0}`
  );
}
