import { PROTOCOL_NUMBERS } from '@infra-offload/net';
import type { PortMatch } from './profile.js';

/**
 * Set of what may be sent, as atoms of a {@link PortSpace}: bit i is atom i. Regions of one space are combined with
 * `&`, `|` and `& ~`, and are equal as numbers exactly if they hold the same packets.
 */
export type Region = bigint;

/** Ports of one protocol. */
export interface PortPiece {
  /** IANA number; undefined: all protocols that no other piece of the space names. */
  readonly protocol: number | undefined;
  /** 0 and 65535 for protocols without ports. */
  readonly first: number;
  readonly last: number;
}

const MAX_PORT = 65_535;
/** Stands for what has no port to look at: other protocols, and all fragments of a packet but the first. */
const NO_PORT = MAX_PORT + 1;
const { TCP, UDP, SCTP } = PROTOCOL_NUMBERS;
const PORTED: ReadonlySet<number> = new Set([TCP, UDP, SCTP]);

/** A range of a generator: ports up to NO_PORT. */
interface Range {
  readonly protocol: number | undefined;
  readonly first: number;
  readonly last: number;
}

/** What no generator divides. */
interface Segment extends Range {
  /** Bit g: generator g holds it. */
  holders: bigint;
}

/**
 * All protocols and ports, divided into as few atoms as tell the given lists of matches apart.
 *
 * Data planes see port 0 in packets that have none. So what treats port 0 of a protocol differently from its fragments
 * is not expressible; {@link expressible} takes both away then.
 */
export class PortSpace {
  readonly atoms: readonly (readonly PortPiece[])[];
  /** Everything. */
  readonly all: Region;
  readonly #regions = new Map<string, Region>();
  /** Atoms of port 0 and of no port, where they differ. */
  readonly #twins: { readonly zero: Region; readonly none: Region }[] = [];

  /** `lists`: what is going to be asked from {@link region}. Matches of kind `set` are passed over. */
  constructor(lists: Iterable<readonly PortMatch[]>) {
    const generators = new Map<string, readonly Range[]>();
    for (const list of lists) {
      const key = keyOf(list);
      if (!generators.has(key)) generators.set(key, rangesOf(list));
    }
    const segments = divide([...generators.values()]);
    const twins = separateTwins(segments, generators.size);

    const atoms = new Map<bigint, Segment[]>();
    for (const segment of segments) {
      const atom = atoms.get(segment.holders);
      if (atom === undefined) atoms.set(segment.holders, [segment]);
      else atom.push(segment);
    }
    this.atoms = [...atoms.values()].map(piecesOf);
    this.all = (1n << BigInt(atoms.size)) - 1n;
    const holders = [...atoms.keys()];
    [...generators.keys()].forEach((key, generator) => {
      this.#regions.set(
        key,
        unionOf(holders, (held) => ((held >> BigInt(generator)) & 1n) === 1n),
      );
    });
    for (const { zero, none } of twins) {
      this.#twins.push({
        zero: unionOf(holders, (held) => held === zero.holders),
        none: unionOf(holders, (held) => held === none.holders),
      });
    }
  }

  /** What any of `list` matches; `list` is one of those that the space was made for. */
  region(list: readonly PortMatch[]): Region {
    const region = this.#regions.get(keyOf(list));
    if (region === undefined) throw new Error('this list is not of the space');
    return region;
  }

  /** `region` without what data planes cannot tell from something that is not in it. */
  expressible(region: Region): Region {
    let left = region;
    for (const { zero, none } of this.#twins) {
      const both = zero | none;
      if ((left & both) !== both) left &= ~both;
    }
    return left;
  }

  /** `region` in protocols and ports: disjoint, ascending, as few as possible. Pieces of no protocol are last. */
  pieces(region: Region): readonly PortPiece[] {
    const pieces = this.atoms.filter((_, i) => ((region >> BigInt(i)) & 1n) === 1n).flat();
    pieces.sort((a, b) => (a.protocol ?? 256) - (b.protocol ?? 256) || a.first - b.first);
    const merged: PortPiece[] = [];
    for (const piece of pieces) {
      const last = merged.at(-1);
      if (last !== undefined && last.protocol === piece.protocol && last.last + 1 === piece.first) {
        merged[merged.length - 1] = { ...last, last: piece.last };
      } else merged.push(piece);
    }
    return merged;
  }
}

function keyOf(list: readonly PortMatch[]): string {
  return list
    .map((match) =>
      match.kind === 'set'
        ? ''
        : `${match.protocol ?? ''}:${match.ports?.first ?? ''}-${match.ports?.last ?? ''}`,
    )
    .join();
}

function rangesOf(list: readonly PortMatch[]): Range[] {
  const ranges: Range[] = [];
  for (const match of list) {
    if (match.kind === 'set') continue;
    const { protocol, ports } = match;
    if (ports === undefined || (ports.first === 0 && ports.last === MAX_PORT)) {
      ranges.push({ protocol, first: 0, last: NO_PORT });
    } else {
      // Protocols without ports have none in any range.
      for (const ported of protocol === undefined ? PORTED : [protocol]) {
        if (PORTED.has(ported)) ranges.push({ protocol: ported, ...ports });
      }
    }
  }
  return ranges;
}

/** The coarsest segments that every range either holds or does not touch. */
function divide(generators: readonly (readonly Range[])[]): Segment[] {
  // Where segments begin, by protocol. Ports 0 and NO_PORT are segments of their own.
  const starts = new Map<number | undefined, Set<number>>([[undefined, new Set([0])]]);
  for (const { protocol, first, last } of generators.flat()) {
    let begins = starts.get(protocol);
    if (begins === undefined) {
      begins = new Set(protocol !== undefined && PORTED.has(protocol) ? [0, 1, NO_PORT] : [0]);
      starts.set(protocol, begins);
    }
    if (last === NO_PORT) continue;
    begins.add(first);
    begins.add(last + 1);
  }
  const segments: Segment[] = [];
  const places = new Map<number | undefined, ReadonlyMap<number, number>>();
  for (const [protocol, begins] of starts) {
    const sorted = [...begins].sort((a, b) => a - b);
    places.set(protocol, new Map(sorted.map((first, i) => [first, segments.length + i])));
    sorted.forEach((first, i) => {
      segments.push({ protocol, first, last: (sorted[i + 1] ?? NO_PORT + 1) - 1, holders: 0n });
    });
  }
  generators.forEach((ranges, generator) => {
    const bit = 1n << BigInt(generator);
    for (const { protocol, first, last } of ranges) {
      const everything = protocol === undefined;
      for (let i = everything ? 0 : (places.get(protocol)?.get(first) ?? 0); i < segments.length; i++) {
        const segment = segments[i];
        if (segment === undefined) break;
        if (!everything && (segment.protocol !== protocol || segment.last > last)) break;
        segment.holders |= bit;
      }
    }
  });
  return segments;
}

/** Gives port 0 and no port of a protocol atoms of their own where somebody tells them apart. */
function separateTwins(
  segments: readonly Segment[],
  generators: number,
): { readonly zero: Segment; readonly none: Segment }[] {
  const twins: { zero: Segment; none: Segment }[] = [];
  let mark = BigInt(generators);
  for (const none of segments) {
    if (none.first !== NO_PORT) continue;
    const zero = segments.find(({ protocol, first }) => protocol === none.protocol && first === 0);
    if (zero === undefined || zero.holders === none.holders) continue;
    zero.holders |= 1n << mark++;
    none.holders |= 1n << mark++;
    twins.push({ zero, none });
  }
  return twins;
}

/** NO_PORT is not seen by data planes. */
function piecesOf(segments: readonly Segment[]): readonly PortPiece[] {
  return segments
    .filter(({ first }) => first !== NO_PORT)
    .map(({ protocol, first, last }) => ({ protocol, first, last: Math.min(last, MAX_PORT) }));
}

function unionOf(holders: readonly bigint[], belongs: (held: bigint) => boolean): Region {
  return holders.reduce((region, held, i) => (belongs(held) ? region | (1n << BigInt(i)) : region), 0n);
}
