import { invalid, malformed, type P4rtError } from '../errors.js';
import type { FieldMatch } from '../gen/p4/v1/p4runtime.js';
import { unknownName } from '../suggest.js';
import { MatchField } from './match-field.js';
import type { MatchDescriptor, MatchInput, MatchKind } from './types.js';

export type MatchRecord = Readonly<Record<string, MatchInput<MatchKind> | undefined>>;

/** The match fields of a table or a value set. */
export class MatchFields {
  readonly #owner: string;
  readonly #fields: readonly MatchField[];

  constructor(owner: string, descriptors: Readonly<Record<string, MatchDescriptor>>) {
    this.#owner = owner;
    this.#fields = Object.entries(descriptors).map(
      ([name, descriptor]) => new MatchField(owner, name, descriptor),
    );
  }

  get count(): number {
    return this.#fields.length;
  }

  /** Matches of everything are left out. @throws P4rtError INVALID, UNKNOWN_NAME */
  encode(values: MatchRecord): FieldMatch[] {
    if (typeof values !== 'object' || values === null) {
      throw invalid(`${this.#owner}: a match is an object of fields, not ${values}`);
    }
    const match: FieldMatch[] = [];
    let used = 0;
    for (const field of this.#fields) {
      const value = values[field.name];
      if (value === undefined) {
        if (field.kind === 'exact') throw this.#missing(field.name);
        if (field.name in values) used++;
        continue;
      }
      used++;
      const encoded = field.encode(value);
      if (encoded !== undefined) match.push(encoded);
    }
    let given = 0;
    for (const _ in values) given++;
    if (given !== used) this.#refuseUnknown(values);
    return match;
  }

  /** @throws P4rtError MALFORMED */
  decode(match: readonly FieldMatch[]): Record<string, ReturnType<MatchField['decode']>> {
    const decoded: Record<string, ReturnType<MatchField['decode']>> = {};
    for (const fieldMatch of match) {
      const field = this.#fields.find((candidate) => candidate.id === fieldMatch.fieldId);
      if (field === undefined) {
        throw malformed(`${this.#owner} has no match field with id ${fieldMatch.fieldId}`);
      }
      decoded[field.name] = field.decode(fieldMatch);
    }
    return decoded;
  }

  #missing(name: string): P4rtError<'INVALID'> {
    const exact = this.#fields.filter((field) => field.kind === 'exact').map((field) => `'${field.name}'`);
    return invalid(`${this.#owner}: exact match field '${name}' is missing; it needs ${exact.join(', ')}`, {
      field: name,
    });
  }

  #refuseUnknown(values: MatchRecord): void {
    const names = this.#fields.map((field) => field.name);
    for (const name of Object.keys(values)) {
      if (!names.includes(name)) throw unknownName(`${this.#owner} has no match field`, name, names);
    }
  }
}
