import { invalid, P4rtError } from '../errors.js';
import type { Action, Action_Param } from '../gen/p4/v1/p4runtime.js';
import { unknownName } from '../suggest.js';
import type { ActionDescriptor, Value } from './types.js';
import { ValueCodec } from './value-codec.js';

export type Scope = ActionDescriptor['scope'];
type Decoded = number | bigint | string;

export interface DecodedAction {
  readonly kind: 'action';
  readonly name: string;
  readonly params: Readonly<Record<string, Decoded>>;
}

interface Param {
  readonly name: string;
  readonly id: number;
  readonly codec: ValueCodec;
}

/** One action as a table or an action profile uses it. */
export class ActionCodec {
  readonly name: string;
  readonly id: number;
  readonly scope: Scope;
  readonly #where: string;
  readonly #params: readonly Param[];

  constructor(owner: string, name: string, descriptor: ActionDescriptor) {
    this.name = name;
    this.id = descriptor.id;
    this.scope = descriptor.scope;
    this.#where = `${owner} action '${name}'`;
    this.#params = Object.entries(descriptor.params).map(([param, { id, bitwidth }]) => ({
      name: param,
      id,
      codec: new ValueCodec(bitwidth, `${this.#where} parameter '${param}'`),
    }));
  }

  /** The action with all its parameters. @throws P4rtError INVALID, UNKNOWN_NAME */
  build(values: Readonly<Record<string, Value>> = {}): Action {
    if (typeof values !== 'object' || values === null) {
      throw invalid(`${this.#where}: parameters are an object, by name, not ${values}`);
    }
    const all = this.#params;
    const params: Action_Param[] = new Array(all.length);
    for (let i = 0; i < all.length; i++) {
      const param = all[i];
      if (param === undefined) break;
      const value = values[param.name];
      if (value === undefined) throw this.#missing(param.name);
      params[i] = { paramId: param.id, value: param.codec.encode(value) };
    }
    let given = 0;
    for (const _ in values) given++;
    if (given !== all.length) this.#refuseUnknown(values);
    return { actionId: this.id, params };
  }

  /** @throws P4rtError MALFORMED */
  decode(action: Action): DecodedAction {
    const params: Record<string, Decoded> = {};
    for (const { name, id, codec } of this.#params) {
      const found = action.params.find((param) => param.paramId === id);
      if (found === undefined)
        throw new P4rtError('MALFORMED', `${this.#where}: parameter '${name}' is missing`, {});
      params[name] = codec.decode(found.value);
    }
    return { kind: 'action', name: this.name, params };
  }

  #missing(name: string): P4rtError<'INVALID'> {
    const names = this.#params.map((param) => `'${param.name}'`).join(', ');
    return invalid(`${this.#where}: parameter '${name}' is missing; it takes ${names}`, { param: name });
  }

  #refuseUnknown(values: Readonly<Record<string, Value>>): void {
    const names = this.#params.map((param) => param.name);
    for (const name of Object.keys(values)) {
      if (!names.includes(name)) throw unknownName(`${this.#where} has no parameter`, name, names);
    }
  }
}

/** The actions of a table or an action profile, by name and by id. */
export class ActionSet {
  readonly owner: string;
  readonly #byName = new Map<string, ActionCodec>();
  readonly #byId = new Map<number, ActionCodec>();

  constructor(owner: string, actions: Readonly<Record<string, ActionDescriptor>>) {
    this.owner = owner;
    for (const [name, descriptor] of Object.entries(actions)) {
      const codec = new ActionCodec(owner, name, descriptor);
      this.#byName.set(name, codec);
      this.#byId.set(codec.id, codec);
    }
  }

  /** Builders of all actions but those of one scope. */
  builders(without: Scope | undefined): Record<string, (params?: Readonly<Record<string, Value>>) => Action> {
    const builders: Record<string, (params?: Readonly<Record<string, Value>>) => Action> = {};
    for (const codec of this.#byName.values()) {
      if (codec.scope !== without) builders[codec.name] = (params) => codec.build(params);
    }
    return builders;
  }

  /** @throws P4rtError UNKNOWN_NAME */
  build(name: string, params: Readonly<Record<string, Value>> | undefined): Action {
    const codec = this.#byName.get(name);
    if (codec === undefined) throw unknownName(`${this.owner} has no action`, name, this.#byName.keys());
    return codec.build(params);
  }

  /** Refuses an action that is not of this set, or that is not for this use. @throws P4rtError INVALID */
  check(action: Action | undefined, without: Scope): void {
    const codec = action && this.#byId.get(action.actionId);
    if (codec === undefined) {
      throw invalid(
        `${this.owner} has no action with id ${action?.actionId}; it has ${this.#names(without)}`,
        {},
      );
    }
    if (codec.scope === without) {
      const use =
        without === 'default' ? 'only the default entry may use it' : 'the default entry may not use it';
      throw invalid(`${this.owner} action '${codec.name}': ${use}; choose from ${this.#names(without)}`, {
        action: codec.name,
      });
    }
  }

  /** @throws P4rtError MALFORMED */
  decode(action: Action): DecodedAction {
    const codec = this.#byId.get(action.actionId);
    if (codec === undefined) {
      throw new P4rtError('MALFORMED', `${this.owner} has no action with id ${action.actionId}`, {});
    }
    return codec.decode(action);
  }

  #names(without: Scope): string {
    const usable = [...this.#byName.values()].filter((codec) => codec.scope !== without);
    return usable.map((codec) => `'${codec.name}'`).join(', ') || 'none';
  }
}
