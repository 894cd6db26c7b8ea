import { MultiMap } from '@infra-offload/base';
import type { PortLookup } from '../drivers/driver.js';
import type { ObjectKey } from '../model/objects.js';

const UNKNOWN: PortLookup = { kind: 'unknown' };

/** Ports of the target's interfaces as last told, and which objects name them. */
export class PortDirectory {
  readonly #known = new Map<string, PortLookup>();
  readonly #users = new MultiMap<string, ObjectKey>();
  readonly #named = new Map<ObjectKey, readonly string[]>();

  lookup(name: string): PortLookup {
    return this.#known.get(name) ?? UNKNOWN;
  }

  /** Interfaces that objects name. */
  interfaces(): readonly string[] {
    return [...this.#users.keys()];
  }

  /** Objects that name an interface. */
  users(name: string): readonly ObjectKey[] {
    return [...this.#users.get(name)];
  }

  /** Ports of some interfaces, for the store; undefined if none is known. */
  portsOf(names: readonly string[]): Readonly<Record<string, number>> | undefined {
    let ports: Record<string, number> | undefined;
    for (const name of names) {
      const found = this.lookup(name);
      if (found.kind === 'known') ports = { ...ports, [name]: found.port };
    }
    return ports;
  }

  /** Replaces which interfaces an object names. Returns those of them that are not known. */
  use(object: ObjectKey, names: readonly string[]): readonly string[] {
    for (const name of this.#named.get(object) ?? []) {
      if (!names.includes(name) && this.#users.delete(name, object)) this.#known.delete(name);
    }
    if (names.length === 0) this.#named.delete(object);
    else this.#named.set(object, names);
    for (const name of names) this.#users.add(name, object);
    return names.filter((name) => this.lookup(name).kind !== 'known');
  }

  /** Notes what the target told. Returns whether that is news. */
  set(name: string, found: PortLookup): boolean {
    const before = this.lookup(name);
    this.#known.set(name, found);
    return (
      before.kind !== found.kind ||
      (before.kind === 'known' && found.kind === 'known' && before.port !== found.port) ||
      (before.kind === 'missing' && found.kind === 'missing' && before.message !== found.message)
    );
  }
}
