import descriptorPb from 'google-protobuf/google/protobuf/descriptor_pb.js';

/** The type that holds a message of any type, and is written in a form of its own. */
export const ANY_NAME = 'google.protobuf.Any';

/** The types of a FileDescriptorSet, in the form that readers need. */
export class Schema {
  readonly #messages = new Map<string, MessageType>();
  readonly #enums = new Map<string, EnumType>();

  /** @param descriptorSet A serialized google.protobuf.FileDescriptorSet with all its imports. */
  constructor(descriptorSet: Uint8Array) {
    const files = descriptorPb.FileDescriptorSet.deserializeBinary(descriptorSet).getFileList();
    const declared: { readonly type: MessageType; readonly descriptor: Descriptor }[] = [];
    const declare = (prefix: string, messages: readonly Descriptor[], enums: readonly EnumDescriptor[]) => {
      for (const descriptor of enums) {
        const type = enumType(prefix + (descriptor.getName() ?? ''), descriptor);
        this.#enums.set(type.name, type);
      }
      for (const descriptor of messages) {
        const name = prefix + (descriptor.getName() ?? '');
        const isMapEntry = descriptor.getOptions()?.getMapEntry() ?? false;
        const type = { name, isMapEntry, fields: new Map(), fieldsByNumber: new Map() };
        this.#messages.set(name, type);
        declared.push({ type, descriptor });
        declare(`${name}.`, descriptor.getNestedTypeList(), descriptor.getEnumTypeList());
      }
    };
    for (const file of files) {
      const prefix = file.getPackage() ? `${file.getPackage()}.` : '';
      declare(prefix, file.getMessageTypeList(), file.getEnumTypeList());
    }
    for (const { type, descriptor } of declared) this.#addFields(type, descriptor);
  }

  /** The type of that full name, such as `p4.config.v1.P4Info`. */
  message(name: string): MessageType | undefined {
    return this.#messages.get(name);
  }

  #addFields(type: MessageType, descriptor: Descriptor): void {
    const oneofs = descriptor.getOneofDeclList().map((oneof) => oneof.getName() ?? '');
    for (const field of descriptor.getFieldList()) {
      const fieldType = this.#fieldType(field);
      if (fieldType === undefined) continue;
      const oneof = field.hasOneofIndex() ? oneofs[field.getOneofIndex() ?? 0] : undefined;
      const made: Field = {
        name: field.getName() ?? '',
        number: field.getNumber() ?? 0,
        repeated: field.getLabel() === descriptorPb.FieldDescriptorProto.Label.LABEL_REPEATED,
        oneof,
        type: fieldType,
      };
      type.fields.set(made.name, made);
      type.fieldsByNumber.set(made.number, made);
    }
  }

  /** Undefined for a group, which proto3 does not have. */
  #fieldType(field: FieldDescriptor): FieldType | undefined {
    const typeName = (field.getTypeName() ?? '').replace(/^\./, '');
    const message = this.#messages.get(typeName);
    const { TYPE_MESSAGE, TYPE_ENUM } = descriptorPb.FieldDescriptorProto.Type;
    if (field.getType() === TYPE_MESSAGE) return message && { kind: 'message', message };
    const enumeration = this.#enums.get(typeName);
    if (field.getType() === TYPE_ENUM) return enumeration && { kind: 'enum', enum: enumeration };
    const scalar = scalarOf.get(field.getType() ?? 0);
    return scalar && { kind: 'scalar', scalar };
  }
}

export interface MessageType {
  /** Full name, without a leading dot. */
  readonly name: string;
  readonly isMapEntry: boolean;
  readonly fields: Map<string, Field>;
  readonly fieldsByNumber: Map<number, Field>;
}

export interface Field {
  readonly name: string;
  readonly number: number;
  readonly repeated: boolean;
  /** Name of the oneof that the field is in. */
  readonly oneof: string | undefined;
  readonly type: FieldType;
}

export type FieldType =
  | { readonly kind: 'message'; readonly message: MessageType }
  | { readonly kind: 'enum'; readonly enum: EnumType }
  | { readonly kind: 'scalar'; readonly scalar: Scalar };

export interface EnumType {
  readonly name: string;
  readonly values: ReadonlyMap<string, number>;
}

export type Scalar =
  | 'double'
  | 'float'
  | 'int32'
  | 'int64'
  | 'uint32'
  | 'uint64'
  | 'sint32'
  | 'sint64'
  | 'fixed32'
  | 'fixed64'
  | 'sfixed32'
  | 'sfixed64'
  | 'bool'
  | 'string'
  | 'bytes';

type Descriptor = InstanceType<typeof descriptorPb.DescriptorProto>;
type EnumDescriptor = InstanceType<typeof descriptorPb.EnumDescriptorProto>;
type FieldDescriptor = InstanceType<typeof descriptorPb.FieldDescriptorProto>;

const types = descriptorPb.FieldDescriptorProto.Type;
const scalarOf: ReadonlyMap<number, Scalar> = new Map<number, Scalar>([
  [types.TYPE_DOUBLE, 'double'],
  [types.TYPE_FLOAT, 'float'],
  [types.TYPE_INT32, 'int32'],
  [types.TYPE_INT64, 'int64'],
  [types.TYPE_UINT32, 'uint32'],
  [types.TYPE_UINT64, 'uint64'],
  [types.TYPE_SINT32, 'sint32'],
  [types.TYPE_SINT64, 'sint64'],
  [types.TYPE_FIXED32, 'fixed32'],
  [types.TYPE_FIXED64, 'fixed64'],
  [types.TYPE_SFIXED32, 'sfixed32'],
  [types.TYPE_SFIXED64, 'sfixed64'],
  [types.TYPE_BOOL, 'bool'],
  [types.TYPE_STRING, 'string'],
  [types.TYPE_BYTES, 'bytes'],
]);

function enumType(name: string, descriptor: EnumDescriptor): EnumType {
  const values = descriptor
    .getValueList()
    .map((value) => [value.getName() ?? '', value.getNumber() ?? 0] as const);
  return { name, values: new Map(values) };
}
