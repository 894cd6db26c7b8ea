import type { Random } from '../random.js';
import { mutateBytes, splice } from './bytes.js';
import { mutateText } from './text.js';

const BLOCK = /-----BEGIN ([^-]+)-----\r?\n([^-]*)-----END [^-]+-----\r?\n?/g;
const LABELS = ['CERTIFICATE', 'PRIVATE KEY', 'EC PRIVATE KEY', 'ENCRYPTED PRIVATE KEY', 'X509 CRL', ''];
const WORDS = [
  '-----BEGIN ',
  '-----END ',
  '-----',
  'CERTIFICATE',
  'PRIVATE KEY',
  '=',
  '\n',
  '\r\n',
  '\0',
  ' ',
  'Proc-Type: 4,ENCRYPTED\n',
];

interface Block {
  readonly label: string;
  readonly der: Uint8Array;
}

/**
 * PEM text that differs from `text` by one or two damages: of its blocks (missing, doubled, in another order, with
 * another label), of the DER within one, of its characters.
 */
export function mutatePem(random: Random, text: string): string {
  let mutated = text;
  for (let left = 1 + random.below(2); left > 0; left--) mutated = mutateOnce(random, mutated);
  return mutated;
}

function mutateOnce(random: Random, text: string): string {
  const blocks = [...text.matchAll(BLOCK)].map(
    ([, label = '', base64 = '']): Block => ({ label, der: Buffer.from(base64, 'base64') }),
  );
  if (blocks.length === 0 || random.chance(30)) return mutateText(random, text, WORDS);
  const at = random.below(blocks.length);
  const block = random.pick(blocks);
  const others = blocks.filter((one) => one !== block);
  switch (random.below(6)) {
    case 0:
      return format(others);
    case 1:
      return format([...blocks.slice(0, at), block, ...blocks.slice(at)]);
    case 2:
      return format(random.chance(50) ? blocks.toReversed() : [...others, block]);
    case 3:
      return format([...others, { ...block, label: random.pick(LABELS) }]);
    default:
      return format(blocks.map((one) => (one === block ? { ...one, der: mutateDer(random, one.der) } : one)));
  }
}

function format(blocks: readonly Block[]): string {
  return blocks
    .map(({ label, der }) => {
      const lines =
        Buffer.from(der)
          .toString('base64')
          .match(/.{1,64}/g) ?? [];
      return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
    })
    .join('');
}

/** DER that differs from `der` by the tag, the length or the content of one of its elements (X.690, 8.1). */
export function mutateDer(random: Random, der: Uint8Array): Uint8Array {
  const element = elementAt(der, 0, der.length);
  if (element === undefined || random.chance(15)) return mutateBytes(random, der);
  let inner = element;
  // Down to a random level.
  while (isConstructed(der, inner) && random.chance(85)) {
    const children = childrenOf(der, inner);
    if (children.length === 0) break;
    inner = random.pick(children);
  }
  switch (random.below(6)) {
    case 0:
      return splice(der, inner.start, inner.start + 1, random.bytes(1));
    case 1:
      return splice(der, inner.start + 1, inner.content, random.pick(LENGTHS));
    case 2:
      return splice(der, inner.start, inner.end, new Uint8Array());
    case 3:
      return splice(der, inner.end, inner.end, der.subarray(inner.start, inner.end));
    default:
      return splice(
        der,
        inner.content,
        inner.end,
        mutateBytes(random, der.subarray(inner.content, inner.end)),
      );
  }
}

/** Lengths: none, some, indefinite, too long to be, longer than a length may be. */
const LENGTHS: readonly Uint8Array[] = [
  Uint8Array.from([0]),
  Uint8Array.from([1]),
  Uint8Array.from([0x7f]),
  Uint8Array.from([0x80]),
  Uint8Array.from([0x82, 0xff, 0xff]),
  Uint8Array.from([0x84, 0xff, 0xff, 0xff, 0xff]),
  Uint8Array.from([0xff]),
];

interface Element {
  readonly start: number;
  readonly content: number;
  readonly end: number;
}

function elementAt(der: Uint8Array, start: number, limit: number): Element | undefined {
  const first = der[start + 1];
  if (first === undefined || start + 2 > limit) return undefined;
  let content = start + 2;
  let length = first;
  if (first >= 0x80) {
    content += first & 0x7f;
    length = der.subarray(start + 2, content).reduce((sum, byte) => sum * 256 + byte, 0);
  }
  const end = content + length;
  return end <= limit ? { start, content, end } : undefined;
}

function isConstructed(der: Uint8Array, { start }: Element): boolean {
  return ((der[start] ?? 0) & 0x20) !== 0;
}

function childrenOf(der: Uint8Array, { content, end }: Element): readonly Element[] {
  const children: Element[] = [];
  for (let at = content; at < end; ) {
    const child = elementAt(der, at, end);
    if (child === undefined) break;
    children.push(child);
    at = child.end;
  }
  return children;
}
