import type { SpecField, SpecStruct } from '../spec.js';
import type { Statement } from './blocks.js';
import { parseNumber, semanticError, syntaxError } from './lexer.js';

const FIELD_TYPE = /^(bit|varbit)<([^<>]+)>$/;
/** Widest field, a limit of this engine; the headers that p4c writes stay far below. */
const MAX_FIELD_BITS = 1n << 18n;
/** A packet has no more. */
const MAX_STRUCT_BYTES = 65_536;

/** `struct <name> {` with a field a line. */
export function parseStruct(statement: Statement, file: string): SpecStruct {
  const { tokens, line, body } = statement;
  const name = tokens[1];
  if (name === undefined || tokens.length !== 2 || body === undefined) {
    throw syntaxError(file, line, `'struct <name> {'`, tokens.join(' '));
  }
  const fields: SpecField[] = [];
  const names = new Set<string>();
  let offset = 0;
  for (const entry of body) {
    const field = parseField(entry, file, offset);
    const previous = fields.at(-1);
    if (previous?.varbit === true) {
      throw semanticError(
        file,
        entry.line,
        `no field may follow the varbit field '${previous.name}'`,
        field.name,
      );
    }
    if (names.has(field.name)) {
      throw semanticError(
        file,
        entry.line,
        `struct '${name}' has a field '${field.name}' already`,
        field.name,
      );
    }
    names.add(field.name);
    fields.push(field);
    offset += field.bits / 8;
    if (offset > MAX_STRUCT_BYTES) {
      const message = `struct '${name}' is larger than a packet, ${MAX_STRUCT_BYTES} bytes`;
      throw semanticError(file, entry.line, message, field.name);
    }
  }
  return { name, line, fields, bytes: offset };
}

function parseField({ tokens, line, body }: Statement, file: string, offset: number): SpecField {
  const [type, name] = tokens;
  // p4c may leave a boolean of a header as it is; it counts as a byte, as in metadata.
  const match = FIELD_TYPE.exec(type === 'bool' ? 'bit<8>' : (type ?? ''));
  if (match === null || name === undefined || tokens.length !== 2 || body !== undefined) {
    throw syntaxError(file, line, `'bit<width> <field>' or 'varbit<width> <field>'`, tokens.join(' '));
  }
  const bits = parseNumber(match[2] ?? '');
  if (bits === undefined || bits === 0n || bits % 8n !== 0n || bits > MAX_FIELD_BITS) {
    throw syntaxError(file, line, `a width that is a multiple of 8, from 8 to ${MAX_FIELD_BITS}`, match[2]);
  }
  return { name, bits: Number(bits), varbit: match[1] === 'varbit', offset };
}
