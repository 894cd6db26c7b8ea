import { crc32 } from 'node:zlib';
import { ManagerError } from '../errors.js';

/**
 * Bytes before the first record: 16 of the format's name, 8 of the mark (big endian), 4 of a CRC-32 over both, 4 zeros. The
 * mark is where the records end that somebody was told are safe.
 */
export const HEADER_BYTES = 32;
const NAME_BYTES = 16;
const MARK_AT = NAME_BYTES;
const CRC_AT = MARK_AT + 8;
/** Before each record: its length, and a CRC-32 over that, the record, and everything before it. */
const FRAME_BYTES = 8;

/** A log as it was read. */
export interface DecodedLog {
  readonly records: readonly Buffer[];
  /** Where the next record goes. */
  readonly end: number;
  /** Checksum of everything so far; see {@link encodeRecords}. */
  readonly chain: number;
}

export function encodeHeader(format: string, mark: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(nameOf(format), 'latin1');
  header.writeBigUInt64BE(BigInt(mark), MARK_AT);
  header.writeUInt32BE(crc32(header.subarray(0, CRC_AT)), CRC_AT);
  return header;
}

/** The checksum that the first record of a log goes on from. */
export function firstChain(format: string): number {
  return crc32(nameOf(format));
}

/**
 * Records as a log holds them.
 *
 * @param chain the checksum of what is before them. One that is lost, doubled or in another place is noticed, too.
 */
export function encodeRecords(
  records: readonly Uint8Array[],
  chain: number,
): { readonly bytes: Buffer; readonly chain: number } {
  let size = 0;
  for (const record of records) size += FRAME_BYTES + record.length;
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  let sum = chain;
  for (const record of records) {
    bytes.writeUInt32BE(record.length, at);
    sum = crc32(record, crc32(bytes.subarray(at, at + 4), sum));
    bytes.writeUInt32BE(sum, at + 4);
    bytes.set(record, at + FRAME_BYTES);
    at += FRAME_BYTES + record.length;
  }
  return { bytes, chain: sum };
}

/**
 * Reads a whole log. What is behind the mark may have been under way when the writer ended: as much of it counts as makes
 * sense.
 *
 * @throws ManagerError STORE when anything before the mark is damaged or missing, or the file is something else.
 */
export function decodeLog(file: Buffer, format: string): DecodedLog {
  const mark = checkHeader(file, format);
  if (file.length < mark) throw damaged(`it ends after ${file.length} of ${mark} bytes`);
  const records: Buffer[] = [];
  let at = HEADER_BYTES;
  let chain = firstChain(format);
  for (;;) {
    const frame = readFrame(file, at, chain);
    if (frame === undefined) break;
    records.push(frame.record);
    at += FRAME_BYTES + frame.record.length;
    chain = frame.chain;
  }
  if (at < mark) throw damaged(`the checksum of record ${records.length + 1}, at byte ${at}, is wrong`);
  return { records, end: at, chain };
}

/**
 * Reads the mark.
 *
 * @param file at least its first {@link HEADER_BYTES}.
 * @throws ManagerError STORE when it is damaged, or of another format.
 */
export function checkHeader(file: Buffer, format: string): number {
  const name = file.toString('latin1', 0, NAME_BYTES);
  if (name !== nameOf(format)) {
    const found = /^[\x20-\x7e]+\n/.test(name) ? name.trim() : 'unknown';
    throw damaged(`its format is ${found}, not ${format}`);
  }
  // Made anew and compared, so that no bit of it goes unchecked.
  const mark = file.length < HEADER_BYTES ? undefined : Number(file.readBigUInt64BE(MARK_AT));
  if (mark === undefined || !file.subarray(0, HEADER_BYTES).equals(encodeHeader(format, mark)))
    throw damaged('the checksum of its header is wrong');
  return mark;
}

function readFrame(
  file: Buffer,
  at: number,
  chain: number,
): { readonly record: Buffer; readonly chain: number } | undefined {
  const start = at + FRAME_BYTES;
  if (start > file.length) return undefined;
  const end = start + file.readUInt32BE(at);
  if (end > file.length) return undefined;
  const record = file.subarray(start, end);
  const sum = crc32(record, crc32(file.subarray(at, at + 4), chain));
  return sum === file.readUInt32BE(at + 4) ? { record, chain: sum } : undefined;
}

function nameOf(format: string): string {
  return `${format.padEnd(NAME_BYTES - 1)}\n`;
}

function damaged(why: string): ManagerError {
  return new ManagerError('STORE', why);
}
