import type { ProgramDescriptor } from '../descriptor.js';
import { P4InfoError, type P4InfoWarning } from '../errors.js';
import { readP4Info } from '../parse.js';
import type { P4Info } from '../proto.js';
import type { Position } from '../text/lexer.js';
import { buildProgram, type ProgramParts } from './build.js';
import { describeProgram } from './describe.js';
import { NameIndex } from './name-index.js';
import type {
  P4Action,
  P4ActionProfile,
  P4Counter,
  P4Digest,
  P4DirectCounter,
  P4DirectMeter,
  P4ExternInstance,
  P4Meter,
  P4PacketMetadata,
  P4Register,
  P4Table,
  P4ValueSet,
} from './objects.js';

export interface ParseOptions {
  /** Called for each thing that is odd but harmless, such as a field of a newer P4Info. Also in `warnings`. */
  readonly onWarning?: (warning: P4InfoWarning) => void;
}

/** How an object is named: full name, alias, unique suffix of the full name after a dot, or id. */
export type P4Key = string | number;

/**
 * What a control plane knows of a P4 program: an immutable model over a P4Info (P4Runtime 1.5, "P4Info Message").
 *
 * Every lookup (`table('service')`) takes a full name, an alias, a unique suffix or an id, and throws P4InfoError
 * `NOT_FOUND`, with the nearest names, or `AMBIGUOUS`, with the candidates. `findTable` and `findAction` give undefined
 * instead of `NOT_FOUND`.
 */
export class P4Program {
  readonly p4info: P4Info;
  readonly warnings: readonly P4InfoWarning[];
  readonly #parts: ProgramParts;
  readonly #indexes: ReturnType<typeof indexesOf>;

  private constructor(p4info: P4Info, warnings: readonly P4InfoWarning[], parts: ProgramParts) {
    this.p4info = p4info;
    this.warnings = warnings;
    this.#parts = parts;
    this.#indexes = indexesOf(parts);
  }

  /**
   * Reads a P4Info in protobuf text format or in binary, told apart by content: a string is text; bytes are binary if they
   * are a complete message or hold control characters, else text.
   *
   * @throws P4InfoError `SYNTAX`, `FIELD`, `ENCODING` or `INVALID`, with line and column if it is text; `CORRUPT`, with
   *   offset and path; `EMPTY`, if there is not one field of P4Info; `VALUE_TYPE`, if it is neither string nor bytes
   */
  static parse(input: string | Uint8Array, options: ParseOptions = {}): P4Program {
    const places = new Map<string, Position>();
    const { warnings, warn } = collector(options);
    const p4info = readP4Info(input, {
      onWarning: warn,
      onObject: (path, position) => places.set(path, position),
    });
    try {
      return new P4Program(p4info, warnings, buildProgram(p4info, warn));
    } catch (error) {
      throw P4InfoError.is(error) ? placed(error, places) : error;
    }
  }

  /** @throws P4InfoError `INVALID` */
  static fromP4Info(p4info: P4Info, options: ParseOptions = {}): P4Program {
    const { warnings, warn } = collector(options);
    return new P4Program(p4info, warnings, buildProgram(p4info, warn));
  }

  /** `pkg_info.name`; p4c leaves it empty unless the program has a `@pkginfo`. */
  get name(): string {
    return this.p4info.pkgInfo?.name ?? '';
  }

  /** `pkg_info.arch`: `v1model`, `psa`, `pna`, … */
  get arch(): string {
    return this.p4info.pkgInfo?.arch ?? '';
  }

  get tables(): readonly P4Table[] {
    return this.#parts.tables;
  }

  get actions(): readonly P4Action[] {
    return this.#parts.actions;
  }

  get actionProfiles(): readonly P4ActionProfile[] {
    return this.#parts.actionProfiles;
  }

  get counters(): readonly P4Counter[] {
    return this.#parts.counters;
  }

  get directCounters(): readonly P4DirectCounter[] {
    return this.#parts.directCounters;
  }

  get meters(): readonly P4Meter[] {
    return this.#parts.meters;
  }

  get directMeters(): readonly P4DirectMeter[] {
    return this.#parts.directMeters;
  }

  get registers(): readonly P4Register[] {
    return this.#parts.registers;
  }

  get digests(): readonly P4Digest[] {
    return this.#parts.digests;
  }

  get valueSets(): readonly P4ValueSet[] {
    return this.#parts.valueSets;
  }

  get packetMetadata(): readonly P4PacketMetadata[] {
    return this.#parts.packetMetadata;
  }

  /** Instances of externs that P4Info has no message for. */
  get externs(): readonly P4ExternInstance[] {
    return this.#parts.externs;
  }

  table(key: P4Key): P4Table {
    return this.#indexes.tables.get(key);
  }

  findTable(key: P4Key): P4Table | undefined {
    return this.#indexes.tables.find(key);
  }

  action(key: P4Key): P4Action {
    return this.#indexes.actions.get(key);
  }

  findAction(key: P4Key): P4Action | undefined {
    return this.#indexes.actions.find(key);
  }

  actionProfile(key: P4Key): P4ActionProfile {
    return this.#indexes.actionProfiles.get(key);
  }

  counter(key: P4Key): P4Counter {
    return this.#indexes.counters.get(key);
  }

  directCounter(key: P4Key): P4DirectCounter {
    return this.#indexes.directCounters.get(key);
  }

  meter(key: P4Key): P4Meter {
    return this.#indexes.meters.get(key);
  }

  directMeter(key: P4Key): P4DirectMeter {
    return this.#indexes.directMeters.get(key);
  }

  register(key: P4Key): P4Register {
    return this.#indexes.registers.get(key);
  }

  digest(key: P4Key): P4Digest {
    return this.#indexes.digests.get(key);
  }

  valueSet(key: P4Key): P4ValueSet {
    return this.#indexes.valueSets.get(key);
  }

  /** `packet_in` or `packet_out`, if the program has it. */
  packetHeader(key: P4Key): P4PacketMetadata {
    return this.#indexes.packetMetadata.get(key);
  }

  /** The program as plain data, the same that `p4info-codegen` writes. */
  describe(name = this.name): ProgramDescriptor {
    return describeProgram(name, this.#parts);
  }
}

function collector({ onWarning }: ParseOptions) {
  const warnings: P4InfoWarning[] = [];
  const warn = (warning: P4InfoWarning) => {
    warnings.push(warning);
    onWarning?.(warning);
  };
  return { warnings, warn };
}

/** The error with the place in the text of the object that it is about. */
function placed(error: P4InfoError, places: ReadonlyMap<string, Position>): P4InfoError {
  const place = places.get(error.details.path?.replace(/\].*$/, ']') ?? '');
  if (place === undefined) return error;
  const message = `${place.line}:${place.column}: ${error.message}`;
  return new P4InfoError(error.code, message, { details: { ...error.details, ...place }, cause: error });
}

function indexesOf(parts: ProgramParts) {
  return {
    tables: new NameIndex(parts.tables, 'table'),
    actions: new NameIndex(parts.actions, 'action'),
    actionProfiles: new NameIndex(parts.actionProfiles, 'action profile'),
    counters: new NameIndex(parts.counters, 'counter'),
    directCounters: new NameIndex(parts.directCounters, 'direct counter'),
    meters: new NameIndex(parts.meters, 'meter'),
    directMeters: new NameIndex(parts.directMeters, 'direct meter'),
    registers: new NameIndex(parts.registers, 'register'),
    digests: new NameIndex(parts.digests, 'digest'),
    valueSets: new NameIndex(parts.valueSets, 'value set'),
    packetMetadata: new NameIndex(parts.packetMetadata, 'packet metadata header'),
  };
}
