import { unknownName } from '../errors.js';
import type {
  ArgumentField,
  FieldOperand,
  HeaderField,
  MetadataField,
  Operand,
  SpecField,
  SpecHeader,
  SpecStruct,
} from '../spec.js';
import { location, parseNumber, semanticError, syntaxError } from './lexer.js';

/** Resolves the names in operands: `h.header.field`, `m.field`, `t.parameter`, `e.object.field`, `f.function.field`. */
export class Scope {
  constructor(
    readonly file: string,
    readonly headers: ReadonlyMap<string, SpecHeader>,
    readonly metadata: SpecStruct,
    /** The parameters of the action, inside one. */
    readonly args: SpecStruct | undefined,
    /** Whether this is an action (some instructions are for actions or for `apply` only). */
    readonly inAction: boolean,
  ) {}

  withAction(args: SpecStruct | undefined): Scope {
    return new Scope(this.file, this.headers, this.metadata, args, true);
  }

  /** `h.name` */
  header(token: string, line: number): SpecHeader {
    const parts = token.split('.');
    if (parts[0] !== 'h' || parts.length !== 2 || parts[1] === undefined) {
      throw syntaxError(this.file, line, `a header (h.<header>)`, token);
    }
    return this.#headerByName(parts[1], line);
  }

  headerField(token: string, line: number): HeaderField {
    const [space, header, field, ...rest] = token.split('.');
    if (space !== 'h' || header === undefined || field === undefined || rest.length > 0) {
      throw syntaxError(this.file, line, `a header field (h.<header>.<field>)`, token);
    }
    const owner = this.#headerByName(header, line);
    return { kind: 'header', header: owner, field: this.#field(owner.struct, field, token, line) };
  }

  metadataField(token: string, line: number): MetadataField {
    if (!token.startsWith('m.')) throw syntaxError(this.file, line, `a metadata field (m.<field>)`, token);
    return { kind: 'metadata', field: this.#field(this.metadata, token.slice(2), token, line) };
  }

  argument(token: string, line: number): ArgumentField {
    if (!token.startsWith('t.'))
      throw syntaxError(this.file, line, `an action parameter (t.<parameter>)`, token);
    if (this.args === undefined) {
      const where = this.inAction ? 'this action has no parameters' : 'only actions have parameters';
      throw semanticError(this.file, line, `'${token}': ${where}`, token);
    }
    return { kind: 'argument', field: this.#field(this.args, token.slice(2), token, line) };
  }

  /** A field of a header or of metadata: what tables match on. */
  keyField(token: string, line: number): HeaderField | MetadataField {
    return token.startsWith('m.') ? this.metadataField(token, line) : this.headerField(token, line);
  }

  /** Any field. */
  fieldOperand(token: string, line: number): FieldOperand {
    switch (token.slice(0, 2)) {
      case 'h.':
        return this.headerField(token, line);
      case 'm.':
        return this.metadataField(token, line);
      case 't.':
        return this.argument(token, line);
      case 'e.':
      case 'f.':
        return { kind: 'mailbox', text: token };
      default:
        throw syntaxError(this.file, line, `a field (h.<header>.<field>, m.<field> or t.<parameter>)`, token);
    }
  }

  /** Any field or an immediate value. */
  operand(token: string, line: number): Operand {
    const value = parseNumber(token);
    if (value !== undefined) return { kind: 'immediate', value };
    if (/^[hmtef]\./.test(token)) return this.fieldOperand(token, line);
    throw syntaxError(
      this.file,
      line,
      `a field (h.<header>.<field>, m.<field>, t.<parameter>) or a number`,
      token,
    );
  }

  /** A field that may be written. */
  target(token: string, line: number): FieldOperand {
    const field = this.fieldOperand(token, line);
    if (field.kind === 'argument') {
      throw semanticError(this.file, line, `'${token}': action parameters cannot be written`, token);
    }
    if (field.kind !== 'mailbox' && field.field.varbit) {
      throw semanticError(this.file, line, `'${token}': a varbit field cannot be written`, token);
    }
    return field;
  }

  #headerByName(name: string, line: number): SpecHeader {
    const header = this.headers.get(name);
    if (header === undefined) {
      throw unknownName(
        'header',
        name,
        this.headers.keys(),
        location(this.file, line),
        `${this.file}:${line}: `,
      );
    }
    return header;
  }

  #field(struct: SpecStruct, name: string, token: string, line: number): SpecField {
    const field = fieldsByName(struct).get(name);
    if (field === undefined) {
      const names = struct.fields.map((candidate) => candidate.name);
      const prefix = `${this.file}:${line}: '${token}': `;
      throw unknownName(`field in struct ${struct.name}`, name, names, location(this.file, line), prefix);
    }
    return field;
  }
}

const indexes = new WeakMap<SpecStruct, ReadonlyMap<string, SpecField>>();

function fieldsByName(struct: SpecStruct): ReadonlyMap<string, SpecField> {
  const known = indexes.get(struct);
  if (known !== undefined) return known;
  const index = new Map(struct.fields.map((field) => [field.name, field]));
  indexes.set(struct, index);
  return index;
}
