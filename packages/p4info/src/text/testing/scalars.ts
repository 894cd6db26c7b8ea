import { BinaryReader } from '@bufbuild/protobuf/wire';
import descriptorPb from 'google-protobuf/google/protobuf/descriptor_pb.js';
import { type MessageType, Schema } from '../schema.js';

const { Type, Label } = descriptorPb.FieldDescriptorProto;

/** Every scalar type of protobuf as a field of its own name; P4Info itself has but seven of them. */
export const scalarFields = [
  ['double', 1, Type.TYPE_DOUBLE],
  ['float', 2, Type.TYPE_FLOAT],
  ['int32', 3, Type.TYPE_INT32],
  ['int64', 4, Type.TYPE_INT64],
  ['uint32', 5, Type.TYPE_UINT32],
  ['uint64', 6, Type.TYPE_UINT64],
  ['sint32', 7, Type.TYPE_SINT32],
  ['sint64', 8, Type.TYPE_SINT64],
  ['fixed32', 9, Type.TYPE_FIXED32],
  ['fixed64', 10, Type.TYPE_FIXED64],
  ['sfixed32', 11, Type.TYPE_SFIXED32],
  ['sfixed64', 12, Type.TYPE_SFIXED64],
  ['bool', 13, Type.TYPE_BOOL],
  ['string', 14, Type.TYPE_STRING],
  ['bytes', 15, Type.TYPE_BYTES],
] as const;

export type ScalarName = (typeof scalarFields)[number][0];

/** A schema with one message, `test.Scalars`. */
export function scalarSchema(): { readonly schema: Schema; readonly type: MessageType } {
  const message = new descriptorPb.DescriptorProto();
  message.setName('Scalars');
  for (const [name, number, fieldType] of scalarFields) {
    const field = new descriptorPb.FieldDescriptorProto();
    field.setName(name);
    field.setNumber(number);
    field.setType(fieldType);
    field.setLabel(Label.LABEL_OPTIONAL);
    message.addField(field);
  }
  const file = new descriptorPb.FileDescriptorProto();
  file.setName('test.proto');
  file.setPackage('test');
  file.addMessageType(message);
  const set = new descriptorPb.FileDescriptorSet();
  set.addFile(file);
  const schema = new Schema(set.serializeBinary());
  const type = schema.message('test.Scalars');
  if (type === undefined) throw new Error('no test.Scalars');
  return { schema, type };
}

/** The value of the one field in `wire`. */
export function scalarValue(name: ScalarName, wire: Uint8Array): unknown {
  const reader = new BinaryReader(wire);
  const [number] = reader.tag();
  if (number !== scalarFields.find(([field]) => field === name)?.[1]) throw new Error(`field ${number}`);
  const value = reader[name]();
  if (reader.pos !== reader.len) throw new Error('more than one field');
  return value;
}
