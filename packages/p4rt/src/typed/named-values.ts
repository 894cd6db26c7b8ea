import type { ParamDescriptor } from '@infra-offload/p4info';
import { invalid, malformed, type P4rtError } from '../errors.js';
import { unknownName } from '../suggest.js';
import type { Value } from './types.js';
import { ValueCodec } from './value-codec.js';

interface NamedValue {
  readonly name: string;
  readonly id: number;
  readonly codec: ValueCodec;
}

/** A fixed list of values by name: the parameters of an action, the fields of a packet's metadata. */
export class NamedValues {
  readonly #owner: string;
  readonly #what: string;
  readonly #values: readonly NamedValue[];

  /** @param what What one of them is called in messages: `parameter`. */
  constructor(owner: string, what: string, descriptors: Readonly<Record<string, ParamDescriptor>>) {
    this.#owner = owner;
    this.#what = what;
    this.#values = Object.entries(descriptors).map(([name, { id, bitwidth }]) => ({
      name,
      id,
      codec: new ValueCodec(bitwidth, `${owner} ${what} '${name}'`),
    }));
  }

  /** All values, each made into a message. @throws P4rtError INVALID, UNKNOWN_NAME */
  encode<T>(values: Readonly<Record<string, Value>>, make: (id: number, bytes: Uint8Array) => T): T[] {
    if (typeof values !== 'object' || values === null) {
      throw invalid(`${this.#owner}: ${this.#what}s are an object, by name, not ${values}`);
    }
    const all = this.#values;
    const out = new Array<T>(all.length);
    for (let i = 0; i < all.length; i++) {
      const one = all[i];
      if (one === undefined) break;
      const value = values[one.name];
      if (value === undefined) throw this.#missing(one.name);
      out[i] = make(one.id, one.codec.encode(value));
    }
    let given = 0;
    for (const _ in values) given++;
    if (given !== all.length) this.#refuseUnknown(values);
    return out;
  }

  /** @throws P4rtError MALFORMED when one is missing or too wide */
  decode(find: (id: number) => Uint8Array | undefined): Record<string, number | bigint | string> {
    const out: Record<string, number | bigint | string> = {};
    for (const { name, id, codec } of this.#values) {
      const bytes = find(id);
      if (bytes === undefined) {
        throw malformed(`${this.#owner}: ${this.#what} '${name}' is missing`);
      }
      out[name] = codec.decode(bytes);
    }
    return out;
  }

  #missing(name: string): P4rtError<'INVALID'> {
    const names = this.#values.map((one) => `'${one.name}'`).join(', ');
    return invalid(`${this.#owner}: ${this.#what} '${name}' is missing; it takes ${names}`, { name });
  }

  #refuseUnknown(values: Readonly<Record<string, Value>>): void {
    const names = this.#values.map((one) => one.name);
    for (const name of Object.keys(values)) {
      if (!names.includes(name)) throw unknownName(`${this.#owner} has no ${this.#what}`, name, names);
    }
  }
}
