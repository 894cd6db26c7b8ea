import type { P4Program, ParamDescriptor, ProgramDescriptor } from '@infra-offload/p4info';

export interface ValueNames {
  readonly name: string;
  readonly bitwidth: number;
}

interface TableNames {
  readonly name: string;
  readonly fields: ReadonlyMap<number, ValueNames>;
}

interface ActionNames {
  readonly name: string;
  readonly params: ReadonlyMap<number, ValueNames>;
}

type Kind = 'actionProfiles' | 'counters' | 'meters' | 'registers' | 'digests' | 'valueSets';
const KINDS: readonly Kind[] = ['actionProfiles', 'counters', 'meters', 'registers', 'digests', 'valueSets'];

const cache = new WeakMap<object, ProgramNames>();

/** The names of a program by id. */
export class ProgramNames {
  readonly #tables = new Map<number, TableNames>();
  readonly #actions = new Map<number, ActionNames>();
  readonly #others = new Map<number, string>();

  /** The names of a program, made once for each; without a program there are none. */
  static of(
    program: P4Program | ProgramDescriptor | { readonly descriptor: ProgramDescriptor } | undefined,
  ): ProgramNames {
    if (program === undefined) return NO_NAMES;
    const known = cache.get(program);
    if (known !== undefined) return known;
    const names = new ProgramNames(descriptorOf(program));
    cache.set(program, names);
    return names;
  }

  constructor(descriptor: ProgramDescriptor | undefined) {
    if (descriptor === undefined) return;
    for (const [name, table] of Object.entries(descriptor.tables)) {
      this.#tables.set(table.id, { name, fields: byId(table.match) });
      for (const [action, { id, params }] of Object.entries(table.actions)) {
        this.#actions.set(id, { name: action, params: byId(params) });
      }
    }
    for (const kind of KINDS) {
      for (const [name, { id }] of Object.entries(descriptor[kind])) this.#others.set(id, name);
    }
  }

  table(id: number): TableNames {
    return this.#tables.get(id) ?? { name: `table ${id}`, fields: new Map() };
  }

  action(id: number): ActionNames {
    return this.#actions.get(id) ?? { name: `action ${id}`, params: new Map() };
  }

  name(kind: Kind, id: number): string {
    return this.#others.get(id) ?? `${kind.replace(/s$/, '')} ${id}`;
  }
}

const NO_NAMES = new ProgramNames(undefined);

/** The descriptor of a program, in whatever form it is given. */
export function descriptorOf(
  program: P4Program | ProgramDescriptor | { readonly descriptor: ProgramDescriptor },
): ProgramDescriptor {
  if ('descriptor' in program) return program.descriptor;
  return 'describe' in program ? program.describe() : program;
}

function byId(values: Readonly<Record<string, ParamDescriptor>>): ReadonlyMap<number, ValueNames> {
  return new Map(Object.entries(values).map(([name, { id, bitwidth }]) => [id, { name, bitwidth }]));
}
