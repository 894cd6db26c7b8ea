import type { Position } from './error.js';

/** Characters between two places whose lines are remembered. */
const STEP_BITS = 12;

/** Finds lines and columns of offsets in a text. Lines end with LF, CR or both (YAML 1.2, 5.4). */
export class LineIndex {
  readonly #text: string;
  /** Line and its start at every 4096th character, once that is needed. */
  #marks: readonly Mark[] | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  positionOf(offset: number): Position {
    this.#marks ??= marksOf(this.#text);
    const index = Math.min(offset >> STEP_BITS, this.#marks.length - 1);
    const { line, start } = advance(this.#text, this.#marks[index] ?? FIRST, index << STEP_BITS, offset);
    return { line, column: offset - start + 1 };
  }
}

interface Mark {
  readonly line: number;
  /** Where the line begins. */
  readonly start: number;
}

const FIRST: Mark = { line: 1, start: 0 };

function marksOf(text: string): readonly Mark[] {
  const marks = [FIRST];
  let mark = FIRST;
  for (let at = 0; at + (1 << STEP_BITS) < text.length; at += 1 << STEP_BITS) {
    mark = advance(text, mark, at, at + (1 << STEP_BITS));
    marks.push(mark);
  }
  return marks;
}

/** The line of `to`, from that of `from`. */
function advance(text: string, { line, start }: Mark, from: number, to: number): Mark {
  let [lineOfTo, startOfTo] = [line, start];
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at);
    if (code !== 0x0a && (code !== 0x0d || text.charCodeAt(at + 1) === 0x0a)) continue;
    lineOfTo++;
    startOfTo = at + 1;
  }
  return { line: lineOfTo, start: startOfTo };
}
