import type { SpecField, SpecHeader, SpecStruct, SwxSpec } from '../spec.js';

/** Number of 32-bit words of a value. Values are kept most significant word first. */
export const wordCount = (bits: number): number => Math.ceil(bits / 32);

/** Words of the state array with a fixed meaning. */
export const STATE = {
  /** Index of the entry that the last table found; 0 for a miss. */
  entry: 0,
  /** Number of the action that ran last. */
  action: 1,
  /** Where in the buffer the first byte is that has not been extracted. */
  pointer: 2,
  /** Where in the buffer the packet ends. */
  end: 3,
  /** The buffer is known to be the packet or zero up to here. */
  clean: 4,
  /** How often the packet has been recirculated. */
  pass: 5,
  /** 1 when the packet is to be recirculated. */
  recirculate: 6,
  /** The port that the packet came in on. */
  port: 7,
} as const;
const FIXED_WORDS = 8;

export interface HeaderLayout {
  readonly header: SpecHeader;
  /** Word of the state: 1 when the header is valid. */
  readonly valid: number;
  /** Word of the state: where in the buffer the header is. */
  readonly base: number;
  /** Word of the state: size in bytes, for headers that end with a varbit field. */
  readonly length: number | undefined;
  /** Where in the buffer the header is when it was not extracted. */
  readonly scratch: number;
  /** Size in bytes without a varbit field. */
  readonly fixedBytes: number;
}

/** Most bytes that a packet may have. */
export const MAX_PACKET_BYTES = 65_536;
/** Bytes behind the greatest packet that a parser may run into. */
const TAIL_BYTES = 4096;

/**
 * Where everything is. One Int32Array holds the state of a packet: fixed words, a word or more for each metadata
 * field, then two or three for each header. One byte buffer holds the header scratch space, headroom and the packet.
 */
export interface Layout {
  readonly metadata: ReadonlyMap<SpecField, number>;
  readonly headers: ReadonlyMap<SpecHeader, HeaderLayout>;
  /** First of the words of the headers; they go on to the end of the state. */
  readonly headerWords: number;
  /** The state at the start of a packet. */
  readonly initial: Int32Array;
  /** Bytes of header scratch space, zero at the start of a packet. */
  readonly scratchBytes: number;
  /** Where in the buffer packets are put. */
  readonly packetBase: number;
  readonly bufferBytes: number;
  /** Number of each action. */
  readonly actionIds: ReadonlyMap<string, number>;
}

export function layOut(spec: SwxSpec): Layout {
  const metadata = new Map<SpecField, number>();
  let word = FIXED_WORDS;
  for (const field of spec.metadata.fields) {
    metadata.set(field, word);
    word += wordCount(field.bits);
  }
  const headerWords = word;
  const headers = new Map<SpecHeader, HeaderLayout>();
  let scratch = 0;
  for (const header of spec.headers.values()) {
    const last = header.struct.fields.at(-1);
    const varbit = last?.varbit === true;
    const fixedBytes = varbit && last !== undefined ? last.offset : header.struct.bytes;
    const layout = {
      header,
      valid: word,
      base: word + 1,
      length: varbit ? word + 2 : undefined,
      scratch,
      fixedBytes,
    };
    headers.set(header, layout);
    word += varbit ? 3 : 2;
    scratch += header.struct.bytes;
  }
  const initial = new Int32Array(word);
  for (const { base, length, scratch: at, fixedBytes } of headers.values()) {
    initial[base] = at;
    if (length !== undefined) initial[length] = fixedBytes;
  }
  // Room for every header to be added in front of a packet that had none of them.
  const packetBase = Math.ceil((scratch * 2 + 128) / 64) * 64;
  return {
    metadata,
    headers,
    headerWords,
    initial,
    scratchBytes: scratch,
    packetBase,
    bufferBytes: packetBase + MAX_PACKET_BYTES + TAIL_BYTES + scratch,
    actionIds: new Map([...spec.actions.keys()].map((name, id) => [name, id])),
  };
}

/** Word offsets of a struct's fields when it holds the arguments of an action. */
export function argumentWords(struct: SpecStruct | undefined): ReadonlyMap<SpecField, number> {
  const words = new Map<SpecField, number>();
  let at = 0;
  for (const field of struct?.fields ?? []) {
    words.set(field, at);
    at += wordCount(field.bits);
  }
  return words;
}

export function argumentWordCount(struct: SpecStruct | undefined): number {
  return (struct?.fields ?? []).reduce((sum, field) => sum + wordCount(field.bits), 0);
}
