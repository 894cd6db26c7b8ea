import { didYouMean, nearestNames } from '@infra-offload/base';
import { P4InfoError } from '../errors.js';

/** What can be looked up: every object of P4Info, and match fields and parameters (which have no alias). */
export interface Named {
  readonly id: number;
  readonly name: string;
  readonly alias?: string;
}

/**
 * Lookup by id, full name, alias, or unique suffix after a dot, in that order (P4Runtime 1.5, "Preamble": an alias is the
 * shortest unique suffix, but p4c and annotations may choose another).
 */
export class NameIndex<T extends Named> {
  readonly #items: readonly T[];
  readonly #kind: string;
  readonly #owner: string;
  readonly #byId = new Map<number, T>();
  /** Full names and aliases, where they mean one object only. */
  readonly #byName = new Map<string, T>();
  readonly #byAlias = new Map<string, T | 'ambiguous'>();

  /** @param kind What the items are, for messages: `table`; `owner` adds where: ` of table 'x'`. */
  constructor(items: readonly T[], kind: string, owner = '') {
    this.#items = items;
    this.#kind = kind;
    this.#owner = owner;
    for (const item of items) {
      if (!this.#byId.has(item.id)) this.#byId.set(item.id, item);
      if (!this.#byName.has(item.name)) this.#byName.set(item.name, item);
      if (item.alias !== undefined) {
        this.#byAlias.set(item.alias, this.#byAlias.has(item.alias) ? 'ambiguous' : item);
      }
    }
  }

  /** @throws P4InfoError `AMBIGUOUS` if several objects answer to the name. */
  find(key: string | number): T | undefined {
    if (typeof key === 'number') return this.#byId.get(key);
    const named = this.#byName.get(key);
    if (named !== undefined) return named;
    const aliased = this.#byAlias.get(key);
    if (aliased !== undefined && aliased !== 'ambiguous') return aliased;
    const suffix = `.${key}`;
    const matches =
      aliased === 'ambiguous'
        ? this.#items.filter((item) => item.alias === key)
        : this.#items.filter((item) => item.name.endsWith(suffix));
    if (matches.length > 1) throw this.#ambiguous(key, matches);
    return matches[0];
  }

  /** @throws P4InfoError `NOT_FOUND` with the nearest names, or `AMBIGUOUS`. */
  get(key: string | number): T {
    const item = this.find(key);
    if (item === undefined) throw this.#notFound(key);
    return item;
  }

  #ambiguous(key: string, matches: readonly T[]): P4InfoError {
    const candidates = matches.map(({ name }) => name);
    const message = `${this.#kind} '${key}'${this.#owner} may be ${candidates.map((name) => `'${name}'`).join(' or ')}`;
    return new P4InfoError('AMBIGUOUS', `${message}; use more of the name, or the id`, {
      details: { candidates },
    });
  }

  #notFound(key: string | number): P4InfoError {
    const names = this.#items.map(({ name, alias }) => alias ?? name);
    const message =
      typeof key === 'number'
        ? `no ${this.#kind} with id ${key}${this.#owner}`
        : `no ${this.#kind} '${key}'${this.#owner}; ${didYouMean(key, names)}`;
    const suggestions = typeof key === 'number' ? [] : nearestNames(key, names);
    return new P4InfoError('NOT_FOUND', message, { details: { suggestions } });
  }
}
