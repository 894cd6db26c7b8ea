import type { ProgramDescriptor } from './descriptor.js';
import { P4InfoError } from './errors.js';
import { documentationOf } from './model/describe.js';
import type { P4Program } from './model/program.js';

/**
 * The TypeScript source of a program's descriptor: `export const <name>Descriptor = {…} as const satisfies
 * ProgramDescriptor`. What the program says of its objects (`@brief`, `@description`) becomes their docstrings. The same P4Info
 * and name always give the same text.
 *
 * @param name Start of the constant's name, such as `k8sDp`; also the descriptor's `name`.
 * @throws P4InfoError `CODEGEN` if `name` cannot start an identifier
 */
export function generateDescriptor(program: P4Program, name: string): string {
  if (!isIdentifier(name)) {
    throw new P4InfoError(
      'CODEGEN',
      `'${name}' cannot start the name of a constant; use letters, digits, _ and $`,
    );
  }
  const descriptor: ProgramDescriptor = program.describe(name);
  const arch = program.arch === '' ? '' : ` (${program.arch.replace(/[^\w.-]/g, '_')})`;
  return `// Written by p4info-codegen from a P4Info${arch}. Do not edit.
import type { ProgramDescriptor } from '@infra-offload/p4info';

export const ${name}Descriptor = ${literal(descriptor, '')} as const satisfies ProgramDescriptor;
`;
}

/** A name from a file's: `k8s_dp.p4info.txtpb` gives `k8sDp`. Undefined if nothing usable is left. */
export function nameFromFile(file: string): string | undefined {
  const base = file.replace(/^.*[/\\]/, '').replace(/\..*$/, '');
  const name = base.replace(/[^A-Za-z0-9]+([A-Za-z0-9])?/g, (_, next: string | undefined) =>
    (next ?? '').toUpperCase(),
  );
  return isIdentifier(name) ? name : undefined;
}

const MAX_INLINE_LENGTH = 90;

/** On one line if it is short and flat, else one line a property. */
function literal(value: unknown, indent: string): string {
  if (typeof value !== 'object' || value === null) return scalar(value);
  const inline = inlineLiteral(value);
  if (inline !== undefined && indent.length + inline.length <= MAX_INLINE_LENGTH) return inline;
  const inner = `${indent}  `;
  const lines = Array.isArray(value)
    ? value.map((item) => `${inner}${literal(item, inner)},\n`)
    : properties(value).map(
        ([key, item]) => `${comment(item, inner)}${inner}${propertyName(key)}: ${literal(item, inner)},\n`,
      );
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  return `${open}\n${lines.join('')}${indent}${close}`;
}

/** The documentation of an object in the program as a docstring, which editors show where the object is used. */
function comment(value: unknown, indent: string): string {
  const { brief = '', description = '' } =
    typeof value === 'object' && value !== null ? (documentationOf(value) ?? {}) : {};
  const text = [brief, description].filter((part) => part !== '').join('\n\n');
  if (text === '') return '';
  const lines = text
    .replaceAll('*/', '*\\/')
    .split(/\r\n|[\n\r\u2028\u2029]/)
    .map((line) => line.replace(/\p{Cc}/gu, ' ').trimEnd());
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}`.trimEnd()).join('\n')}\n${indent} */\n`;
}

/** Undefined if there is an object within that is not empty. */
function inlineLiteral(value: object): string | undefined {
  const items = Array.isArray(value) ? value : properties(value).map(([, item]) => item);
  if (items.some((item) => typeof item === 'object' && item !== null && Object.keys(item).length > 0))
    return undefined;
  if (Array.isArray(value)) return `[${value.map((item) => literal(item, '')).join(', ')}]`;
  const written = properties(value).map(([key, item]) => `${propertyName(key)}: ${literal(item, '')}`);
  return written.length === 0 ? '{}' : `{ ${written.join(', ')} }`;
}

function properties(value: object): [string, unknown][] {
  return Object.entries(value).filter(([, item]) => item !== undefined);
}

function scalar(value: unknown): string {
  return typeof value === 'string' ? quote(value) : String(value);
}

/** `__proto__` in a literal would set the prototype, unless it is computed. */
function propertyName(key: string): string {
  if (key === '__proto__') return `['__proto__']`;
  return /^[A-Za-z_$][A-Za-z0-9_$]*$/.test(key) ? key : quote(key);
}

function quote(text: string): string {
  // JSON's escapes are JavaScript's; only the quotes change. Other line ends than \n may not stand in all tools' input.
  const body = JSON.stringify(text).slice(1, -1).replace(/\\"/g, '"').replace(/'/g, "\\'");
  return `'${body.replace(/[\u2028\u2029\u007f]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)}'`;
}

function isIdentifier(name: string): boolean {
  return /^[A-Za-z_$][A-Za-z0-9_$]*$/.test(name);
}
