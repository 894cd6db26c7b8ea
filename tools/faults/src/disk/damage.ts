import {
  closeSync,
  copyFileSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Random } from '../random.js';

/** Bytes that file systems and disks lose together. */
const PAGE = 4096;

/** What may happen to a file. Each says what it did. */
type Damage = (path: string, random: Random) => string;

/** What happens inside of a file that keeps its length. */
const INSIDE: readonly Damage[] = [
  (path, random) => flipBits(path, random, 1),
  (path, random) => flipBits(path, random, 2 + random.below(30)),
  (path, random) => overwrite(path, random, 'zeros', (length) => Buffer.alloc(length)),
  (path, random) => overwrite(path, random, 'random bytes', (length) => Buffer.from(random.bytes(length))),
  (path, random) => {
    const bytes = readFileSync(path);
    const [from, to] = [random.below(bytes.length), random.below(bytes.length)];
    const length = 1 + random.below(Math.min(PAGE, bytes.length - Math.max(from, to)));
    const moved = Buffer.from(bytes.subarray(from, from + length));
    bytes.copy(bytes, from, to, to + length);
    moved.copy(bytes, to);
    writeFileSync(path, bytes);
    return `${length} bytes at ${from} and ${to} exchanged`;
  },
];

/** What happens to a file as a whole. */
const WHOLE: readonly Damage[] = [
  (path, random) => {
    const length = random.below(statSync(path).size);
    const file = openSync(path, 'r+');
    ftruncateSync(file, length);
    closeSync(file);
    return `cut to ${length} bytes`;
  },
  (path, random) => {
    const more = random.bytes(1 + random.below(PAGE));
    writeFileSync(path, more, { flag: 'a' });
    return `${more.length} random bytes appended`;
  },
  (path, random) => {
    const bytes = readFileSync(path);
    const at = random.below(bytes.length);
    const length = 1 + random.below(Math.min(PAGE, bytes.length - at));
    writeFileSync(path, Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]));
    return `${length} bytes at ${at} lost`;
  },
  (path, random) => {
    const bytes = readFileSync(path);
    const at = random.below(bytes.length);
    const length = 1 + random.below(Math.min(PAGE, bytes.length - at));
    writeFileSync(path, Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]));
    return `${length} bytes at ${at} doubled`;
  },
  (path) => {
    writeFileSync(path, '');
    return 'empty';
  },
  (path, random) => {
    writeFileSync(path, random.bytes(random.below(4 * PAGE)));
    return 'random bytes in its place';
  },
  (path) => {
    copyFileSync(fileURLToPath(import.meta.url), path);
    return 'another file in its place';
  },
  (path) => {
    rmSync(path);
    mkdirSync(path);
    writeFileSync(`${path}/file`, 'x');
    return 'a directory in its place';
  },
  (path) => {
    rmSync(path);
    symlinkSync(path, path);
    return 'a link to itself in its place';
  },
  (path) => {
    rmSync(path);
    return 'removed';
  },
];

/** Damages a file in one of many ways, also by removing or replacing it. Returns what was done, for messages. */
export function damageFile(path: string, random: Random): string {
  // As often inside as all the other ways together.
  const ways = random.chance(50) && statSync(path).size > 0 ? INSIDE : WHOLE;
  return random.pick(ways)(path, random);
}

function flipBits(path: string, random: Random, count: number): string {
  const bytes = readFileSync(path);
  const places: string[] = [];
  for (let i = 0; i < count; i++) {
    const [at, bit] = [random.below(bytes.length), random.below(8)];
    bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
    places.push(`${at}.${bit}`);
  }
  writeFileSync(path, bytes);
  return `bits ${places.join(' ')} flipped`;
}

/** Overwrites some bytes, or a whole page. */
function overwrite(path: string, random: Random, what: string, make: (length: number) => Buffer): string {
  const { size } = statSync(path);
  const isPage = random.chance(50);
  const at = isPage ? PAGE * random.below(Math.ceil(size / PAGE)) : random.below(size);
  const length = Math.min(size - at, isPage ? PAGE : 1 + random.below(64));
  const file = openSync(path, 'r+');
  writeSync(file, make(length), 0, length, at);
  closeSync(file);
  return `${length} ${what} at ${at}`;
}
