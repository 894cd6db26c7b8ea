/**
 * P4Info: text and binary reader, lookup, value codecs, pretty-printer, typed program generator.
 * The wire messages themselves are under `@infra-offload/p4info/proto`.
 */
export { generateDescriptor } from './codegen.js';
export type * from './descriptor.js';
export { P4InfoError, type P4InfoErrorCode, type P4InfoErrorDetails, type P4InfoWarning } from './errors.js';
export { formatProgram } from './format-program.js';
export type { P4DataType } from './model/data-type.js';
export type {
  P4Action,
  P4ActionProfile,
  P4ActionRef,
  P4Annotated,
  P4Annotation,
  P4AnnotationValue,
  P4Counter,
  P4Digest,
  P4DirectCounter,
  P4DirectMeter,
  P4Documented,
  P4ExternInstance,
  P4Field,
  P4MatchField,
  P4Meter,
  P4Object,
  P4PacketMetadata,
  P4Param,
  P4Reference,
  P4Register,
  P4Table,
  P4ValueSet,
  SelectorSize,
} from './model/objects.js';
export { type P4Key, P4Program, type ParseOptions } from './model/program.js';
export { parseP4Info } from './parse.js';
export { canonical, decodeBigint, decodeNumber, decodeString } from './values/decode.js';
export { encode, type P4Value } from './values/encode.js';
export { formatValue, guessFormat, type ValueFormat } from './values/format.js';
export { decodeSigned, encodeSigned } from './values/signed.js';
export { writeP4Info } from './write.js';
