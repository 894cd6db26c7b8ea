import type { P4BitstringLikeTypeSpec, P4DataTypeSpec, P4NewTypeSpec, P4TypeInfo } from '../proto.js';

/** The type of a register cell, a digest or a field of one. */
export interface P4DataType {
  /** As P4 writes it: `bit<32>`, `int<8>`, `bool`, `struct flow_t`, `tuple<bit<8>, bool>`. */
  readonly type: string;
  /** Width of a value that goes as one byte string; 0 for `sdn_string`; undefined for structs, tuples, headers, enums. */
  readonly bitwidth?: number;
  /** Fields of a struct or header that the type information tells of, in order. */
  readonly fields?: readonly (P4DataType & { readonly name: string })[];
}

/** Types of a program that lean on each other in a circle would never end; P4 has no use for such depth. */
const MAX_DEPTH = 32;

/** Resolves types through a program's type information. What is not told there is named, but has no width. */
export class TypeResolver {
  readonly #info: P4TypeInfo | undefined;
  /** By `struct` or `new`, and name. Each is resolved once: types that have others twice would take for ever. */
  readonly #resolved = new Map<string, P4DataType>();

  constructor(info: P4TypeInfo | undefined) {
    this.#info = info;
  }

  /** Whether a translated type appears to the control plane as a string. */
  isString(typeName: string | undefined): boolean {
    const representation = this.#newType(typeName)?.representation;
    return representation?.$case === 'translatedType' && representation.value.sdnType?.$case === 'sdnString';
  }

  resolve(spec: P4DataTypeSpec | undefined, depth = 0): P4DataType {
    const typeSpec = spec?.typeSpec;
    if (typeSpec === undefined || depth > MAX_DEPTH) return { type: 'unknown' };
    switch (typeSpec.$case) {
      case 'bitstring':
        return bitstringType(typeSpec.value);
      case 'bool':
        return { type: 'bool' };
      case 'error':
        return { type: 'error' };
      case 'tuple': {
        const members = typeSpec.value.members.map((member) => this.resolve(member, depth + 1).type);
        return { type: `tuple<${members.join(', ')}>` };
      }
      case 'struct':
        return this.#once(`struct ${typeSpec.value.name}`, () => this.#struct(typeSpec.value.name, depth));
      case 'header':
        return this.#header(typeSpec.value.name);
      case 'headerUnion':
        return { type: `header_union ${typeSpec.value.name}` };
      case 'headerStack':
        return { type: `header ${typeSpec.value.header?.name ?? '?'}[${typeSpec.value.size}]` };
      case 'headerUnionStack':
        return { type: `header_union ${typeSpec.value.headerUnion?.name ?? '?'}[${typeSpec.value.size}]` };
      case 'enum':
        return { type: `enum ${typeSpec.value.name}` };
      case 'serializableEnum': {
        const name = typeSpec.value.name;
        const width = own(this.#info?.serializableEnums, name)?.underlyingType?.bitwidth;
        return { type: `enum ${name}`, ...(width === undefined ? {} : { bitwidth: width }) };
      }
      case 'newType':
        return this.#once(`new ${typeSpec.value.name}`, () => this.#translated(typeSpec.value.name, depth));
      default:
        return typeSpec satisfies never;
    }
  }

  #once(key: string, resolve: () => P4DataType): P4DataType {
    const known = this.#resolved.get(key);
    if (known !== undefined) return known;
    const type = resolve();
    this.#resolved.set(key, type);
    return type;
  }

  #struct(name: string, depth: number): P4DataType {
    const members = own(this.#info?.structs, name)?.members;
    if (members === undefined) return { type: `struct ${name}` };
    const fields = members.map((member) => ({
      ...this.resolve(member.typeSpec, depth + 1),
      name: member.name,
    }));
    return { type: `struct ${name}`, fields };
  }

  #header(name: string): P4DataType {
    const members = own(this.#info?.headers, name)?.members;
    if (members === undefined) return { type: `header ${name}` };
    const fields = members.map((member) => ({ ...bitstringType(member.typeSpec), name: member.name }));
    return { type: `header ${name}`, fields };
  }

  #translated(name: string, depth: number): P4DataType {
    const representation = this.#newType(name)?.representation;
    if (representation === undefined) return { type: name };
    if (representation.$case === 'originalType') {
      return { ...this.resolve(representation.value, depth + 1), type: name };
    }
    const sdnType = representation.value.sdnType;
    if (sdnType === undefined) return { type: name };
    return { type: name, bitwidth: sdnType.$case === 'sdnBitwidth' ? sdnType.value : 0 };
  }

  #newType(name: string | undefined): P4NewTypeSpec | undefined {
    return name === undefined ? undefined : own(this.#info?.newTypes, name);
  }
}

function bitstringType(spec: P4BitstringLikeTypeSpec | undefined): P4DataType {
  const typeSpec = spec?.typeSpec;
  if (typeSpec === undefined) return { type: 'unknown' };
  switch (typeSpec.$case) {
    case 'bit':
      return { type: `bit<${typeSpec.value.bitwidth}>`, bitwidth: typeSpec.value.bitwidth };
    case 'int':
      return { type: `int<${typeSpec.value.bitwidth}>`, bitwidth: typeSpec.value.bitwidth };
    case 'varbit':
      return { type: `varbit<${typeSpec.value.maxBitwidth}>` };
    default:
      return typeSpec satisfies never;
  }
}

/** An own property only: a P4 type may be called `constructor`. */
function own<T>(record: { readonly [name: string]: T } | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}
