import { type KeyPlan, planKey } from '../compiler/keys.js';
import { argumentWordCount } from '../compiler/layout.js';
import type { SpecTable, SwxSpec } from '../spec.js';
import { HashIndex } from './hash-index.js';
import { RowStore } from './rows.js';
import { TernaryIndex } from './ternary-index.js';

/** A table that the control plane fills: its rows, and the index that finds them. */
export class MatchTable {
  readonly plan: KeyPlan;
  readonly store: RowStore;
  /** For tables with exact fields only. */
  readonly exact: HashIndex | undefined;
  /** For tables with a wildcard or lpm field. */
  readonly ternary: TernaryIndex | undefined;

  constructor(
    spec: SwxSpec,
    readonly table: SpecTable,
  ) {
    this.plan = planKey(table.key);
    this.store = new RowStore(
      { keyWords: this.plan.length, argWords: widestArguments(spec, table), timed: false },
      table.size,
    );
    const exact = table.key.every(({ match }) => match === 'exact');
    this.exact = exact ? new HashIndex(this.store) : undefined;
    this.ternary = exact ? undefined : new TernaryIndex(this.store);
  }
}

/** Words for the arguments of any action of a table or learner. */
export function widestArguments(
  spec: SwxSpec,
  table: { readonly actions: readonly { readonly name: string }[] },
): number {
  let widest = 0;
  for (const { name } of table.actions) {
    widest = Math.max(widest, argumentWordCount(spec.actions.get(name)?.args));
  }
  return widest;
}
