import type { ActionScope, CounterUnit, MatchKind, MeterType, MeterUnit } from '../descriptor.js';
import type { Any } from '../proto.js';
import type { P4DataType } from './data-type.js';
import type { Named, NameIndex } from './name-index.js';

/** What a program says of an object for people: `@brief` and `@description`, '' where it says nothing. */
export interface P4Documented {
  readonly brief: string;
  readonly description: string;
}

/** A value in a structured annotation. */
export type P4AnnotationValue = string | bigint | boolean;

/** A structured annotation: `@name[1, "a"]` has `values`, `@name[key=1]` has `pairs`; the other one is empty. */
export interface P4Annotation {
  readonly name: string;
  readonly values: readonly P4AnnotationValue[];
  readonly pairs: ReadonlyMap<string, P4AnnotationValue>;
}

/** What objects and fields have in common: annotations and documentation. */
export interface P4Annotated extends P4Documented {
  /** Unstructured annotations as in the program, such as `@hidden` or `@format(IPV4_ADDRESS)`. */
  readonly annotations: readonly string[];
  readonly structuredAnnotations: readonly P4Annotation[];
}

/**
 * `@refers_to(table, field)`: a value is that of a key of an entry in another table, which must be there. P4Runtime does not
 * define the annotation; SONiC's PINS and its tools do.
 */
export interface P4Reference {
  /** Alias or full name, or `builtin::multicast_group_table` and the like: not all of them are tables of the program. */
  readonly table: string;
  readonly field: string;
}

/** What all objects of P4Info have (P4Runtime 1.5, "Preamble"). */
export interface P4Object extends Named, P4Annotated {
  /** Unique in the program; its top byte tells the kind. */
  readonly id: number;
  /** Full name, such as `ingress.acl.deny`. */
  readonly name: string;
  /** Short name; the full name if P4Info has no alias. */
  readonly alias: string;
}

/** A value of a key, a parameter or packet metadata. */
export interface P4Field extends Named, P4Annotated {
  /** Width of the value on the wire; 0 for a string. */
  readonly bitwidth: number;
  /** Name of the P4 type, if it has one of its own. */
  readonly typeName?: string;
  /** Whether the type is translated to `sdn_string`. */
  readonly isString: boolean;
  /** In the order of the annotations `@refers_to`. */
  readonly refersTo: readonly P4Reference[];
}

export interface P4MatchField extends P4Field {
  readonly kind: MatchKind;
  /** The architecture's name of the match kind, for kind `other`. */
  readonly otherKind?: string;
}

export type P4Param = P4Field;

export class P4Action implements P4Object {
  readonly id: number;
  readonly name: string;
  readonly alias: string;
  readonly annotations: readonly string[];
  readonly structuredAnnotations: readonly P4Annotation[];
  readonly brief: string;
  readonly description: string;
  readonly params: readonly P4Param[];
  readonly #params: NameIndex<P4Param>;

  /** @internal Made by P4Program. */
  constructor(object: P4Object, params: readonly P4Param[], index: NameIndex<P4Param>) {
    this.id = object.id;
    this.name = object.name;
    this.alias = object.alias;
    this.annotations = object.annotations;
    this.structuredAnnotations = object.structuredAnnotations;
    this.brief = object.brief;
    this.description = object.description;
    this.params = params;
    this.#params = index;
  }

  /** A parameter by name or id. @throws P4InfoError `NOT_FOUND` */
  param(nameOrId: string | number): P4Param {
    return this.#params.get(nameOrId);
  }
}

/** An action that a table may use, and where. */
export interface P4ActionRef {
  readonly action: P4Action;
  readonly scope: ActionScope;
}

/** An action of a table, to look it up by. */
export interface NamedActionRef extends Named {
  readonly ref: P4ActionRef;
}

/** What P4Table is made of, beside what all objects have. */
export type P4TableParts = Omit<P4Table, keyof P4Object | 'needsPriority' | 'matchField' | 'action'>;

export class P4Table implements P4Object {
  readonly id: number;
  readonly name: string;
  readonly alias: string;
  readonly annotations: readonly string[];
  readonly structuredAnnotations: readonly P4Annotation[];
  readonly brief: string;
  readonly description: string;
  /** Number of entries asked for in the program; 0: not told. */
  readonly size: number;
  readonly matchFields: readonly P4MatchField[];
  readonly actions: readonly P4ActionRef[];
  /** Default action that the program fixes. */
  readonly constDefaultAction: P4Action | undefined;
  /** Default action that the program starts with, if it may be changed. */
  readonly initialDefaultAction: P4Action | undefined;
  readonly actionProfile: P4ActionProfile | undefined;
  readonly directCounter: P4DirectCounter | undefined;
  readonly directMeter: P4DirectMeter | undefined;
  readonly supportsIdleTimeout: boolean;
  /** Whether all entries are fixed in the program. */
  readonly isConst: boolean;
  readonly hasInitialEntries: boolean;
  /** Whether entries carry a priority: there is a ternary, range or optional key (P4Runtime 1.5, "TableEntry"). */
  readonly needsPriority: boolean;
  readonly #fields: NameIndex<P4MatchField>;
  readonly #actions: NameIndex<NamedActionRef>;

  /** @internal Made by P4Program. */
  constructor(
    object: P4Object,
    parts: P4TableParts,
    fields: NameIndex<P4MatchField>,
    actions: NameIndex<NamedActionRef>,
  ) {
    this.id = object.id;
    this.name = object.name;
    this.alias = object.alias;
    this.annotations = object.annotations;
    this.structuredAnnotations = object.structuredAnnotations;
    this.brief = object.brief;
    this.description = object.description;
    this.size = parts.size;
    this.matchFields = parts.matchFields;
    this.actions = parts.actions;
    this.constDefaultAction = parts.constDefaultAction;
    this.initialDefaultAction = parts.initialDefaultAction;
    this.actionProfile = parts.actionProfile;
    this.directCounter = parts.directCounter;
    this.directMeter = parts.directMeter;
    this.supportsIdleTimeout = parts.supportsIdleTimeout;
    this.isConst = parts.isConst;
    this.hasInitialEntries = parts.hasInitialEntries;
    this.needsPriority = parts.matchFields.some(
      ({ kind }) => kind === 'ternary' || kind === 'range' || kind === 'optional',
    );
    this.#fields = fields;
    this.#actions = actions;
  }

  /** A key by name, unique suffix or id. @throws P4InfoError `NOT_FOUND`, `AMBIGUOUS` */
  matchField(nameOrId: string | number): P4MatchField {
    return this.#fields.get(nameOrId);
  }

  /** An action of this table by name, alias, unique suffix or id. @throws P4InfoError `NOT_FOUND`, `AMBIGUOUS` */
  action(nameOrId: string | number): P4ActionRef {
    return this.#actions.get(nameOrId).ref;
  }
}

/** How sizes of an action profile with a selector count (P4Runtime 1.5, "ActionProfile"). */
export type SelectorSize =
  | { readonly counts: 'weights' }
  | { readonly counts: 'members' /** 0: any. */; readonly maxMemberWeight: number };

export interface P4ActionProfile extends P4Object {
  readonly size: number;
  readonly withSelector: boolean;
  /** Largest size of a group; 0: the target decides. */
  readonly maxGroupSize: number;
  readonly selectorSize: SelectorSize;
  /** Whether one-shot action sets must go without weights. */
  readonly weightsDisallowed: boolean;
  readonly tables: readonly P4Table[];
  /** The actions that members may have: those that its tables allow in entries. */
  readonly actions: readonly P4ActionRef[];
}

export interface P4Counter extends P4Object {
  readonly size: number;
  readonly unit: CounterUnit;
  readonly indexTypeName?: string;
}

export interface P4DirectCounter extends P4Object {
  readonly unit: CounterUnit;
  readonly table: P4Table | undefined;
}

export interface P4Meter extends P4Object {
  readonly size: number;
  readonly unit: MeterUnit;
  readonly type: MeterType;
  readonly indexTypeName?: string;
}

export interface P4DirectMeter extends P4Object {
  readonly unit: MeterUnit;
  readonly type: MeterType;
  readonly table: P4Table | undefined;
}

export interface P4Register extends P4Object {
  readonly size: number;
  readonly dataType: P4DataType;
  readonly indexTypeName?: string;
}

export interface P4Digest extends P4Object {
  readonly dataType: P4DataType;
}

export interface P4ValueSet extends P4Object {
  readonly size: number;
  readonly matchFields: readonly P4MatchField[];
}

/** A header between the controller and the device: `packet_in` or `packet_out`. */
export interface P4PacketMetadata extends P4Object {
  readonly fields: readonly P4Field[];
}

/** An instance of an extern that P4Info has no message for. */
export interface P4ExternInstance extends P4Object {
  readonly typeId: number;
  readonly typeName: string;
  readonly info: Any | undefined;
}
