import { invalid, malformed } from '../errors.js';
import type { Action, Action_Param } from '../gen/p4/v1/p4runtime.js';
import { unknownName } from '../suggest.js';
import { NamedValues } from './named-values.js';
import type { ActionDescriptor, Value } from './types.js';

/** What an action is used for: in an entry (or by a member), or as default action. */
export type ActionUse = 'entry' | 'default';

const USABLE: Readonly<Record<ActionDescriptor['scope'], string>> = {
  both: 'any entry may use it',
  table: 'the default entry may not use it',
  default: 'only the default entry may use it',
  group: 'only a whole group may use it',
};

export interface DecodedAction {
  readonly kind: 'action';
  readonly name: string;
  readonly params: Readonly<Record<string, number | bigint | string>>;
}

/** One action as a table or an action profile uses it. */
export class ActionCodec {
  readonly name: string;
  readonly id: number;
  readonly scope: ActionDescriptor['scope'];
  readonly #params: NamedValues;

  constructor(owner: string, name: string, descriptor: ActionDescriptor) {
    this.name = name;
    this.id = descriptor.id;
    this.scope = descriptor.scope;
    this.#params = new NamedValues(`${owner} action '${name}'`, 'parameter', descriptor.params);
  }

  isFor(use: ActionUse): boolean {
    return this.scope === 'both' || this.scope === (use === 'entry' ? 'table' : 'default');
  }

  /** The action with all its parameters. @throws P4rtError INVALID, UNKNOWN_NAME */
  build(values: Readonly<Record<string, Value>> = {}): Action {
    return { actionId: this.id, params: this.#params.encode(values, toParam) };
  }

  /** @throws P4rtError MALFORMED */
  decode(action: Action): DecodedAction {
    const params = this.#params.decode((id) => action.params.find((param) => param.paramId === id)?.value);
    return { kind: 'action', name: this.name, params };
  }
}

function toParam(paramId: number, value: Uint8Array): Action_Param {
  return { paramId, value };
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

  builders(use: ActionUse): Record<string, (params?: Readonly<Record<string, Value>>) => Action> {
    const builders: Record<string, (params?: Readonly<Record<string, Value>>) => Action> = {};
    for (const codec of this.#byName.values()) {
      if (codec.isFor(use)) builders[codec.name] = (params) => codec.build(params);
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
  check(action: Action | undefined, use: ActionUse): void {
    const codec = action && this.#byId.get(action.actionId);
    if (codec === undefined) {
      throw invalid(
        `${this.owner} has no action with id ${action?.actionId}; it has ${this.#names(use)}`,
        {},
      );
    }
    if (!codec.isFor(use)) {
      const reason = `${USABLE[codec.scope]}; choose from ${this.#names(use)}`;
      throw invalid(`${this.owner} action '${codec.name}': ${reason}`, {
        action: codec.name,
      });
    }
  }

  /** @throws P4rtError MALFORMED */
  decode(action: Action): DecodedAction {
    const codec = this.#byId.get(action.actionId);
    if (codec === undefined) {
      throw malformed(`${this.owner} has no action with id ${action.actionId}`);
    }
    return codec.decode(action);
  }

  #names(use: ActionUse): string {
    const usable = [...this.#byName.values()].filter((codec) => codec.isFor(use));
    return usable.map((codec) => `'${codec.name}'`).join(', ') || 'none';
  }
}
