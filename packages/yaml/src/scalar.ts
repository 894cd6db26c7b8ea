/** What a scalar is read as; `string` where JSON knows nothing else. */
export type Scalar = null | boolean | number | string;

const TRUE = ['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'];
const FALSE = ['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'];
const NULL = ['', '~', 'null', 'Null', 'NULL'];
const NAN = ['.nan', '.NaN', '.NAN'];
const INFINITE = ['.inf', '.Inf', '.INF'];

const WORDS = new Map<string, Scalar>([
  ...TRUE.map((word) => [word, true] as const),
  ...FALSE.map((word) => [word, false] as const),
  ...NULL.map((word) => [word, null] as const),
  ...NAN.map((word) => [word, Number.NaN] as const),
  ...INFINITE.flatMap((word) => [
    [word, Number.POSITIVE_INFINITY] as const,
    [`+${word}`, Number.POSITIVE_INFINITY] as const,
    [`-${word}`, Number.NEGATIVE_INFINITY] as const,
  ]),
]);

const DATE = /^\d{4}-\d{1,2}-\d{1,2}(?:$|[Tt ])/;
const FLOAT = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/;
const INTEGER = /^([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9]\d*))$/;
const MAX_UINT64 = 2n ** 64n - 1n;
const MAX_INT64 = 2n ** 63n - 1n;
const MIN_INT64 = -(2n ** 63n);
/** 64 bits in binary, with sign and prefix. */
const LONGEST_INTEGER = 67;

/**
 * What a plain scalar stands for, as Kubernetes reads YAML (sigs.k8s.io/yaml, that is go-yaml 2): words and numbers of
 * YAML 1.1, with `0o17` of 1.2 besides, but without numbers in sixties; dates stay strings. Integers of more than 53
 * bits lose digits.
 */
export function resolvePlain(text: string): Scalar {
  const value = resolve(text);
  return typeof value === 'bigint' ? Number(value) : value;
}

/**
 * What a plain scalar is called as the key of a mapping, for JSON knows strings only: integers in decimal, other numbers
 * as Go prints them with 32 bits, `true` and `false` for all their words.
 *
 * @returns undefined for null and integers of more than 63 bits, which cannot be keys
 */
export function keyOfPlain(text: string): string | undefined {
  const value = resolve(text);
  if (value === null || (typeof value === 'bigint' && value > MAX_INT64)) return undefined;
  return typeof value === 'number' ? formatFloat(value) : String(value);
}

function resolve(text: string): Scalar | bigint {
  const word = WORDS.get(text);
  if (word !== undefined) return word;
  if (!/^[-+.0-9]/.test(text) || DATE.test(text)) return text;
  const plain = text.replaceAll('_', '');
  return integerOf(plain) ?? (FLOAT.test(plain) ? finite(plain, text) : text);
}

/** Undefined for what is none, or does not fit into 64 bits. */
function integerOf(text: string): bigint | undefined {
  // Longer ones cannot fit, and cost the square of their length.
  if (text.length > LONGEST_INTEGER) return undefined;
  const [, sign, hex, binary, octal, decimal] = INTEGER.exec(text) ?? [];
  const digits = hex ? `0x${hex}` : binary ? `0b${binary}` : octal ? `0o${octal}` : decimal;
  if (digits === undefined) return undefined;
  const value = sign === '-' ? -BigInt(digits) : BigInt(digits);
  // A sign makes it a signed number.
  const isOut = value < MIN_INT64 || value > (sign === '' ? MAX_UINT64 : MAX_INT64);
  return isOut ? undefined : value;
}

/** A number that is too large for 64 bits stays text. */
function finite(digits: string, text = digits): number | string {
  const value = Number(digits);
  return Number.isFinite(value) ? value : text;
}

/** The shortest digits that mean the same 32-bit number, with an exponent from 7 digits on (Go: FormatFloat 'g'). */
function formatFloat(value: number): string {
  if (Number.isNaN(value)) return '.nan';
  if (!Number.isFinite(value)) return value > 0 ? '.inf' : '-.inf';
  let text = '';
  for (let digits = 1; digits <= 9; digits++) {
    text = value.toExponential(digits - 1);
    if (Math.fround(Number(text)) === Math.fround(value)) break;
  }
  const [mantissa = '', exponent = ''] = text.split('e');
  const power = Number(exponent);
  if (power >= -4 && power < 6) return String(Number(text));
  return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

const TAG_PREFIX = 'tag:yaml.org,2002:';
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * What a scalar with a tag stands for; of tags that are not YAML's own it is the text.
 *
 * @param tag as it is written: `!!int`, `!<tag:yaml.org,2002:int>`, `!mine`
 * @throws {RangeError} if the text is nothing of the tag's type
 */
export function resolveTagged(tag: string, text: string): Scalar {
  const type = typeOfTag(tag);
  switch (type) {
    case 'binary': {
      const base64 = text.replaceAll(/[\r\n]/g, '');
      if (!BASE64.test(base64)) throw new RangeError('is not base64, which !!binary stands for');
      return Buffer.from(base64, 'base64').toString('utf8');
    }
    case 'int':
    case 'float':
    case 'bool':
    case 'null':
    case 'timestamp':
      if (!isOfType(type, text))
        throw new RangeError(`'${excerpt(text)}' is not what its tag !!${type} says`);
      return type === 'timestamp' ? text : resolvePlain(text);
    default:
      return text;
  }
}

function typeOfTag(tag: string): string | undefined {
  if (tag.startsWith('!!')) return tag.slice(2);
  return tag.startsWith(`!<${TAG_PREFIX}`) ? tag.slice(2 + TAG_PREFIX.length, -1) : undefined;
}

function isOfType(type: 'int' | 'float' | 'bool' | 'null' | 'timestamp', text: string): boolean {
  const value = resolve(text);
  switch (type) {
    case 'int':
      return typeof value === 'bigint';
    case 'float':
      return typeof value === 'bigint' || typeof value === 'number';
    case 'bool':
      return typeof value === 'boolean';
    case 'null':
      return value === null;
    case 'timestamp':
      return DATE.test(text);
    default:
      return type satisfies never;
  }
}

/** The beginning of a text that is quoted in a message. */
export function excerpt(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 40)}…`;
}
