import {
  type AliasEvent,
  EVENT_ID,
  type Event,
  getScalarValue,
  SCALAR_STYLE,
  type ScalarEvent,
} from 'js-yaml';
import { AliasBudget } from './alias-budget.js';
import { YamlFault } from './fault.js';
import { excerpt, keyOfPlain, resolvePlain, resolveTagged } from './scalar.js';

/** A key that is given again in the same mapping; the last one counts. */
export interface DuplicateOffset {
  readonly key: string;
  readonly offset: number;
}

export interface Constructed {
  readonly value: unknown;
  /** Where the value begins. */
  readonly offset: number;
  /** Where the parts of each mapping and sequence begin, behind their keys. */
  readonly partsOf: ReadonlyMap<unknown, PartOffsets>;
  readonly duplicates: readonly DuplicateOffset[];
}

export type PartOffsets = ReadonlyMap<PropertyKey, number>;

type Mapping = Record<string, unknown>;

/** A mapping or sequence that is being read. */
interface Frame {
  readonly value: unknown[] | Mapping;
  readonly offset: number;
  readonly parts: Map<PropertyKey, number>;
  readonly anchor: Anchor | undefined;
  /** Values of the document before it. */
  readonly nodesBefore: number;
  /** The key that the next value belongs to. */
  key: Key | undefined;
  /** Keys that merges have brought, so that giving them again is no mistake. */
  merged: Set<string> | undefined;
}

interface Key {
  readonly name: string;
  readonly offset: number;
  readonly merges: boolean;
}

interface Anchor {
  value: unknown;
  /** Values that an alias stands for; undefined while they are being read. */
  nodes: number | undefined;
}

interface Marked {
  readonly anchorStart: number;
  readonly anchorEnd: number;
  readonly tagStart: number;
  readonly tagEnd: number;
}

/**
 * Makes the value of one document from js-yaml's events, as go-yaml 2 does: keys are strings, `<<` merges at the place
 * where it stands, tags of collections mean nothing. An alias is the very object of its anchor.
 */
export class Construction {
  readonly #source: string;
  readonly #budget: AliasBudget;
  readonly #frames: Frame[] = [];
  readonly #anchors = new Map<string, Anchor>();
  readonly #partsOf = new Map<unknown, PartOffsets>();
  readonly #duplicates: DuplicateOffset[] = [];
  #value: unknown = null;
  #offset = 0;

  /** @param source the text that the events are of */
  constructor(source: string, maxNodes: number) {
    this.#source = source;
    this.#budget = new AliasBudget(maxNodes);
  }

  /**
   * Takes the next event.
   *
   * @throws {YamlFault}
   */
  take(event: Event): void {
    switch (event.type) {
      case EVENT_ID.DOCUMENT:
        return;
      case EVENT_ID.SCALAR:
        this.#scalar(event);
        return;
      case EVENT_ID.SEQUENCE:
        this.#open(event, event.start, []);
        return;
      case EVENT_ID.MAPPING:
        this.#open(event, event.start, {});
        return;
      case EVENT_ID.ALIAS:
        this.#alias(event);
        return;
      case EVENT_ID.POP:
        this.#close();
        return;
      default:
        event satisfies never;
    }
  }

  get result(): Constructed {
    return {
      value: this.#value,
      offset: this.#offset,
      partsOf: this.#partsOf,
      duplicates: this.#duplicates,
    };
  }

  #scalar(event: ScalarEvent): void {
    const offset = offsetOf(event, event.valueStart);
    if (!this.#budget.add(1)) throw tooMany(offset);
    const text = getScalarValue(this.#source, event);
    const tag = event.tagStart < 0 ? undefined : this.#source.slice(event.tagStart, event.tagEnd);
    const isPlain = tag === undefined && event.style === SCALAR_STYLE.PLAIN;
    const value = isPlain ? resolvePlain(text) : tag === undefined ? text : tagged(tag, text, offset);
    this.#anchor(event, value, 1);
    const frame = this.#frames.at(-1);
    if (frame === undefined || Array.isArray(frame.value) || frame.key !== undefined) {
      if (typeof value === 'number' && !Number.isFinite(value)) {
        throw new YamlFault('SYNTAX', offset, `${excerpt(text)} is a number that JSON does not have`);
      }
      this.#add(value, offset);
      return;
    }
    const name = typeof value === 'string' ? value : keyOfPlain(text);
    if (name === undefined) throw new YamlFault('SYNTAX', offset, `'${excerpt(text)}' cannot be a key`);
    if (isPlain && /^:[,[\]{}]/.test(this.#source.slice(event.valueEnd, event.valueEnd + 2))) {
      // YAML 1.2 ends the key here, YAML 1.1 goes on with it.
      throw new YamlFault('SYNTAX', offset, `a blank is missing behind the colon of '${excerpt(text)}'`);
    }
    frame.key = { name, offset, merges: text === '<<' && (isPlain || tag === '!!merge') };
  }

  #open(event: Marked, start: number, value: unknown[] | Mapping): void {
    const offset = offsetOf(event, start);
    const nodesBefore = this.#budget.nodes;
    if (!this.#budget.add(1)) throw tooMany(offset);
    const anchor = this.#anchor(event, value, undefined);
    this.#frames.push({
      value,
      offset,
      parts: new Map(),
      anchor,
      nodesBefore,
      key: undefined,
      merged: undefined,
    });
  }

  #close(): void {
    const frame = this.#frames.pop();
    // The end of the document.
    if (frame === undefined) return;
    this.#partsOf.set(frame.value, frame.parts);
    if (frame.anchor !== undefined) frame.anchor.nodes = this.#budget.nodes - frame.nodesBefore;
    this.#add(frame.value, frame.offset);
  }

  #alias({ anchorStart, anchorEnd }: AliasEvent): void {
    const name = this.#source.slice(anchorStart, anchorEnd);
    const offset = anchorStart - 1;
    const anchor = this.#anchors.get(name);
    if (anchor === undefined) {
      throw new YamlFault('SYNTAX', offset, `the alias *${excerpt(name)} has no anchor before it`);
    }
    if (anchor.nodes === undefined) {
      throw new YamlFault('SYNTAX', offset, `the alias *${excerpt(name)} is within its own anchor`);
    }
    if (!this.#budget.addAliased(anchor.nodes)) {
      throw new YamlFault('LIMIT', offset, 'the aliases unfold to too many values');
    }
    const frame = this.#frames.at(-1);
    if (frame === undefined || Array.isArray(frame.value) || frame.key !== undefined) {
      this.#add(anchor.value, offset);
      return;
    }
    if (typeof anchor.value !== 'string') {
      throw new YamlFault(
        'SYNTAX',
        offset,
        `the alias *${excerpt(name)} is not a string, so it cannot be a key`,
      );
    }
    frame.key = { name: anchor.value, offset, merges: false };
  }

  #anchor({ anchorStart, anchorEnd }: Marked, value: unknown, nodes: number | undefined): Anchor | undefined {
    if (anchorStart < 0) return undefined;
    const anchor: Anchor = { value, nodes };
    this.#anchors.set(this.#source.slice(anchorStart, anchorEnd), anchor);
    return anchor;
  }

  /** Puts a value where it belongs. */
  #add(value: unknown, offset: number): void {
    const frame = this.#frames.at(-1);
    if (frame === undefined) {
      this.#value = value;
      this.#offset = offset;
      return;
    }
    const { value: parent, parts, key } = frame;
    if (Array.isArray(parent)) {
      parts.set(parent.length, offset);
      parent.push(value);
      return;
    }
    if (key === undefined) throw new YamlFault('SYNTAX', offset, 'a mapping or sequence cannot be a key');
    frame.key = undefined;
    if (key.merges) {
      this.#merge(frame, parent, value, offset);
      return;
    }
    if (parts.has(key.name) && !frame.merged?.delete(key.name)) {
      this.#duplicates.push({ key: key.name, offset: key.offset });
    }
    parts.set(key.name, offset);
    define(parent, key.name, value);
  }

  /** Of several mappings the first goes before the others; all go before keys that stand above. */
  #merge(frame: Frame, into: Mapping, value: unknown, offset: number): void {
    const sources = Array.isArray(value) ? value.toReversed() : [value];
    for (const source of sources) {
      if (!isMapping(source)) {
        throw new YamlFault('SYNTAX', offset, '<< merges a mapping, or a sequence of mappings');
      }
      const entries = Object.entries(source);
      if (!this.#budget.addAliased(entries.length)) throw tooMany(offset);
      frame.merged ??= new Set();
      for (const [name, part] of entries) {
        frame.merged.add(name);
        frame.parts.set(name, this.#partsOf.get(source)?.get(name) ?? offset);
        define(into, name, part);
      }
    }
  }
}

function tagged(tag: string, text: string, offset: number): unknown {
  try {
    return resolveTagged(tag, text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new YamlFault('SYNTAX', offset, error.message);
  }
}

function tooMany(offset: number): YamlFault {
  return new YamlFault('LIMIT', offset, 'the document has too many values');
}

/** Where a node begins: with its tag or anchor, if it has them. */
function offsetOf({ anchorStart, tagStart }: Marked, start: number): number {
  // An anchor's name stands behind its &.
  const starts = [start, anchorStart < 0 ? -1 : anchorStart - 1, tagStart].filter((offset) => offset >= 0);
  return starts.length === 0 ? 0 : Math.min(...starts);
}

/** Sets a property of its own, whatever it is called. */
function define(mapping: Mapping, name: string, value: unknown): void {
  if (name !== '__proto__') mapping[name] = value;
  else Object.defineProperty(mapping, name, { value, writable: true, enumerable: true, configurable: true });
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
