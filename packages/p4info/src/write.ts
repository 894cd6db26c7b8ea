import { p4InfoTypes } from './parse.js';
import { P4Info } from './proto.js';
import { wireToText } from './text/writer.js';

const HEADER = `# proto-file: p4/config/v1/p4info.proto
# proto-message: p4.config.v1.P4Info

`;

/**
 * A P4Info in protobuf text format, as p4c writes it: {@link parseP4Info} reads an equal message from it. Fields of a newer
 * version that came from a binary are written by number.
 */
export function writeP4Info(p4info: P4Info): string {
  const { schema, type } = p4InfoTypes();
  return HEADER + wireToText(P4Info.encode(p4info).finish(), type, schema);
}
