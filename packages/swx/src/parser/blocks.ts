import { type Line, syntaxError } from './lexer.js';

/** A statement outside any block, or a block with its body. Blocks in blocks (`key {`) are blocks, too. */
export interface Statement {
  readonly line: number;
  /** Without the opening brace. */
  readonly tokens: readonly string[];
  readonly body: readonly Statement[] | undefined;
}

interface OpenBlock {
  readonly line: number;
  readonly tokens: readonly string[];
  readonly body: Statement[];
}

/** Groups lines into statements and blocks: `{` ends the line that opens one, `}` stands alone. */
export function groupBlocks(lines: readonly Line[], file: string): Statement[] {
  const top: Statement[] = [];
  const open: OpenBlock[] = [];
  for (const { number, tokens } of lines) {
    const current = open.at(-1);
    const target = current?.body ?? top;
    if (tokens[0] === '}') {
      if (current === undefined) throw syntaxError(file, number, `a statement (no block is open here)`, '}');
      if (tokens.length > 1) throw syntaxError(file, number, `nothing after '}'`, tokens[1]);
      open.pop();
      (open.at(-1)?.body ?? top).push(current);
    } else if (tokens.at(-1) === '{') {
      open.push({ line: number, tokens: tokens.slice(0, -1), body: [] });
    } else {
      target.push({ line: number, tokens, body: undefined });
    }
  }
  const unclosed = open.at(-1);
  if (unclosed !== undefined) {
    const end = lines.at(-1)?.number ?? unclosed.line;
    throw syntaxError(file, end, `'}' to close '${unclosed.tokens.join(' ')} {' of line ${unclosed.line}`);
  }
  return top;
}
