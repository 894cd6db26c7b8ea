import { EVENT_ID, type Event, parseEvents, YAMLException } from 'js-yaml';
import { type Constructed, Construction, type DuplicateOffset } from './construct.js';
import { YamlFault } from './fault.js';
import { formatSize, type Limits } from './limits.js';

export { YamlFault } from './fault.js';

/** A document, with offsets into its text. */
export interface ParsedYaml {
  readonly value: unknown;
  readonly duplicates: readonly DuplicateOffset[];
  /** Where the value at the path is, or would be: then its nearest ancestor. */
  offsetAt(path: readonly PropertyKey[]): number;
}

/**
 * Parses one YAML document.
 *
 * @returns undefined if there is nothing but blanks and comments
 * @throws {YamlFault}
 */
export function parseYaml(text: string, limits: Limits): ParsedYaml | undefined {
  if (text.length > limits.yamlLength) {
    const most = formatSize(limits.yamlLength);
    throw new YamlFault(
      'LIMIT',
      0,
      `a YAML document may have ${most}: divide it by lines ---, or make it JSON`,
    );
  }
  checkCount(text, limits.nodes);
  const events = eventsOf(text, limits.depth);
  if (events.length === 0) return undefined;
  const construction = new Construction(text, limits.nodes);
  for (const [index, event] of events.entries()) {
    if (index > 0 && event.type === EVENT_ID.DOCUMENT) {
      throw new YamlFault(
        'SYNTAX',
        startOf(events, index),
        'a document has ended before this: begin the next with a line ---',
      );
    }
    construction.take(event);
  }
  const { result } = construction;
  return {
    value: result.value,
    duplicates: result.duplicates,
    offsetAt: (path) => offsetAt(result, path),
  };
}

function eventsOf(text: string, maxDepth: number): readonly Event[] {
  try {
    return parseEvents(text, { maxDepth });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const isTooDeep = error.reason.startsWith('nesting exceeded');
    const reason = isTooDeep ? `is nested more than ${maxDepth} levels deep` : error.reason;
    throw new YamlFault(isTooDeep ? 'LIMIT' : 'SYNTAX', error.mark?.position ?? 0, reason, { cause: error });
  }
}

/** The events of a document take much more memory than its text, so that there must not be too many of them. */
function checkCount(text: string, most: number): void {
  let count = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      // Each value but the first has one of these before it: , - : ? [ {
      case 0x2c:
      case 0x2d:
      case 0x3a:
      case 0x3f:
      case 0x5b:
      case 0x7b:
        if (++count > most) throw new YamlFault('LIMIT', at, 'the document has too many values');
    }
  }
}

function startOf(events: readonly Event[], from: number): number {
  for (const event of events.slice(from)) {
    if ('start' in event) return event.start;
    if ('valueStart' in event && event.valueStart >= 0) return event.valueStart;
  }
  return 0;
}

function offsetAt({ value, offset, partsOf }: Constructed, path: readonly PropertyKey[]): number {
  let [found, part] = [offset, value];
  for (const key of path) {
    const inside = partsOf.get(part)?.get(key);
    if (inside === undefined || typeof part !== 'object' || part === null) break;
    found = inside;
    part = Reflect.get(part, key);
  }
  return found;
}
