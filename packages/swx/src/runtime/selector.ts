import { SwxError } from '../errors.js';
import { selectorHash } from './hash.js';
import { lowestTerms } from './lowest-terms.js';

export interface SelectorMember {
  /** 0 … slots-1 */
  readonly member: number;
  /** 1 … : share of the group's slots, relative to the other members. */
  readonly weight: number;
}

const MAX_KEY_BYTES = 64;
/** Slots of a group are filled one by one: more make no sense, and no P4 program asks for them. */
const MAX_SLOTS = 65_536;
const ceilPowerOfTwo = (value: number): number => 2 ** Math.ceil(Math.log2(value));

/** Groups of members; a hash of packet fields picks one of a group's slots. Equal to DPDK 22.11's, slot by slot. */
export class Selector {
  /** The bytes of the selector fields, as they lie in memory, zero where there are none. The caller fills them. */
  readonly key: Uint8Array;
  readonly #keyView: DataView;
  readonly #keySize: number;
  readonly #slots: number;
  readonly #slotMask: number;
  readonly #groupMask: number;
  readonly #tables = new Map<number, Int32Array>();
  readonly #groups = new Map<number, readonly SelectorMember[]>();

  constructor(
    readonly name: string,
    /** Bytes from the first to the last selector field. */
    keyBytes: number,
    readonly maxGroups: number,
    slots: number,
  ) {
    if (keyBytes > MAX_KEY_BYTES) {
      const message = `selector '${name}': its fields span ${keyBytes} bytes; SWX has at most ${MAX_KEY_BYTES}`;
      throw new SwxError('UNSUPPORTED', message, { details: { object: name } });
    }
    if (slots > MAX_SLOTS) {
      const message = `selector '${name}' has ${slots} slots a group; this engine has at most ${MAX_SLOTS}`;
      throw new SwxError('UNSUPPORTED', message, { details: { object: name } });
    }
    this.#keySize = Math.max(8, ceilPowerOfTwo(keyBytes));
    this.key = new Uint8Array(this.#keySize);
    this.#keyView = new DataView(this.key.buffer);
    this.#slots = ceilPowerOfTwo(slots);
    this.#slotMask = this.#slots - 1;
    this.#groupMask = ceilPowerOfTwo(maxGroups) - 1;
  }

  /** The member for `key` in a group; 0 for an empty group. */
  select(group: number): number {
    const table = this.#tables.get((group & this.#groupMask) >>> 0);
    if (table === undefined) return 0;
    return table[selectorHash(this.#keyView, this.#keySize) & this.#slotMask] ?? 0;
  }

  members(group: number): readonly SelectorMember[] | undefined {
    return this.#groups.get(group);
  }

  *entries(): IterableIterator<{ readonly group: number; readonly members: readonly SelectorMember[] }> {
    for (const [group, members] of this.#groups) yield { group, members };
  }

  set(group: number, members: readonly SelectorMember[]): void {
    this.#checkGroup(group);
    const seen = new Set<number>();
    for (const { member, weight } of members) {
      const where = `selector '${this.name}', group ${group}`;
      const details = { object: this.name, token: String(member) };
      if (!Number.isInteger(member) || member < 0 || member >= this.#slots) {
        const message = `${where}: member ${member} is not one of 0 … ${this.#slots - 1} (a group has ${this.#slots} slots)`;
        throw new SwxError('INVALID_VALUE', message, { details });
      }
      if (!Number.isInteger(weight) || weight < 1 || weight > 0xffffffff) {
        const message = `${where}: the weight ${weight} of member ${member} is not one of 1 … 4294967295`;
        throw new SwxError('INVALID_VALUE', message, { details });
      }
      if (seen.has(member)) {
        throw new SwxError('INVALID_VALUE', `${where}: member ${member} is there twice`, { details });
      }
      seen.add(member);
    }
    if (members.length === 0) this.#tables.delete(group);
    else this.#tables.set(group, this.#fillSlots(group, members));
    this.#groups.set(
      group,
      members.map(({ member, weight }) => ({ member, weight })),
    );
  }

  delete(group: number): boolean {
    this.#checkGroup(group);
    this.#tables.delete(group);
    return this.#groups.delete(group);
  }

  #checkGroup(group: number): void {
    if (Number.isInteger(group) && group >= 0 && group < this.maxGroups) return;
    const message = `selector '${this.name}': group ${group} is not one of 0 … ${this.maxGroups - 1}`;
    throw new SwxError('INVALID_VALUE', message, { details: { object: this.name, token: String(group) } });
  }

  /**
   * Each member gets its weight, in lowest terms, times the whole number of times that the sum of the weights fits the
   * slots; slots that are left go to the first members, up to their weight. Members fill the slots in their order.
   */
  #fillSlots(group: number, members: readonly SelectorMember[]): Int32Array {
    const weights = lowestTerms(members.map(({ weight }) => weight));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    if (sum > this.#slots) {
      const message = `selector '${this.name}', group ${group}: the weights add up to ${sum}, more than its ${this.#slots} slots`;
      throw new SwxError('TABLE_FULL', message, { details: { object: this.name } });
    }
    const rounds = Math.floor(this.#slots / sum);
    let left = this.#slots % sum;
    const table = new Int32Array(this.#slots);
    let slot = 0;
    members.forEach(({ member }, i) => {
      const weight = weights[i] ?? 0;
      const extra = Math.min(weight, left);
      left -= extra;
      const end = slot + weight * rounds + extra;
      table.fill(member, slot, end);
      slot = end;
    });
    return table;
  }
}
