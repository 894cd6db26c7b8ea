import { ObjectKind, type ObjectReference, WantedObject } from '@infra-offload/infra-api';

type Body = NonNullable<WantedObject['object']>;
/** The kinds of objects that policies consist of. */
export type PolicyBody = Extract<Body, { $case: 'addressSet' | 'networkPolicy' | 'podIsolation' }>;

/** What is wanted anew, in another form, or no more. */
export type FelixChange =
  | { readonly type: 'upsert'; readonly object: WantedObject }
  | { readonly type: 'remove'; readonly reference: ObjectReference };

/** Wanted objects of one kind by name, and what of them has changed since that was last asked for. */
export class WantedBodies<Case extends PolicyBody['$case']> {
  readonly #bodies = new Map<string, Extract<PolicyBody, { $case: Case }>>();
  /** As they were last told. */
  readonly #told = new Map<string, Extract<PolicyBody, { $case: Case }>>();
  readonly #touched = new Set<string>();
  readonly #kind: ObjectKind;

  constructor(kind: ObjectKind) {
    this.#kind = kind;
  }

  set(name: string, body: Extract<PolicyBody, { $case: Case }>): void {
    this.#bodies.set(name, body);
    this.#touched.add(name);
  }

  delete(name: string): void {
    if (this.#bodies.delete(name)) this.#touched.add(name);
  }

  /** What is new or different. */
  takeUpserts(): FelixChange[] {
    const changes: FelixChange[] = [];
    for (const name of this.#touched) {
      const body = this.#bodies.get(name);
      if (body === undefined) continue;
      this.#touched.delete(name);
      const told = this.#told.get(name);
      if (told !== undefined && isSame(told, body)) continue;
      this.#told.set(name, body);
      changes.push({ type: 'upsert', object: { object: body } });
    }
    return changes;
  }

  /** What is gone. To be called after {@link takeUpserts}. */
  takeRemovals(): FelixChange[] {
    const gone = [...this.#touched].filter((name) => this.#told.delete(name));
    this.#touched.clear();
    return gone.map((name) => ({ type: 'remove', reference: { kind: this.#kind, name } }));
  }

  objects(): WantedObject[] {
    return [...this.#bodies.values()].map((object) => ({ object }));
  }
}

function isSame(a: PolicyBody, b: PolicyBody): boolean {
  const [left, right] = [a, b].map((object) => WantedObject.encode({ object }).finish());
  return left?.length === right?.length && left?.every((byte, i) => byte === right?.[i]) === true;
}

export const kinds = {
  addressSet: ObjectKind.OBJECT_KIND_ADDRESS_SET,
  networkPolicy: ObjectKind.OBJECT_KIND_NETWORK_POLICY,
  podIsolation: ObjectKind.OBJECT_KIND_POD_ISOLATION,
} as const;
