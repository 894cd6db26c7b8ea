/** The part of Go's templates that the chart uses, as a tree. Everything else is refused. */

export type Operand =
  | { readonly kind: 'literal'; readonly value: string | number | boolean }
  | { readonly kind: 'function'; readonly name: string }
  /** `.a.b`, `$x.a.b` or `(…).a.b`. */
  | { readonly kind: 'fields'; readonly of: 'dot' | Pipeline | string; readonly path: readonly string[] };

export interface Pipeline {
  /** Each gets the value of the one before as its last argument. */
  readonly commands: readonly (readonly Operand[])[];
}

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'output'; readonly pipeline: Pipeline }
  | {
      readonly kind: 'assign';
      readonly name: string;
      readonly declares: boolean;
      readonly pipeline: Pipeline;
    }
  | {
      readonly kind: 'if';
      readonly pipeline: Pipeline;
      readonly holds: readonly Node[];
      readonly otherwise: readonly Node[];
    }
  | {
      readonly kind: 'range';
      readonly names: readonly string[];
      readonly pipeline: Pipeline;
      readonly body: readonly Node[];
    };

export interface Template {
  readonly body: readonly Node[];
  /** By name; of `define`. */
  readonly defined: ReadonlyMap<string, readonly Node[]>;
}

export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}

const ACTION = /\{\{(-(?=\s))?([\s\S]*?)((?<=\s)-)?\}\}/g;
const TOKENS =
  /\s+|"(?:[^"\\\n]|\\.)*"|-?\d+(?=[\s)]|$)|\$?[A-Za-z_]\w*(?:\.\w+)*|\$(?:\.\w+)*|(?:\.\w+)+|\.|:=|[=|(,]|\)(?:\.\w+)*/gy;

type Piece = { readonly text: string } | { readonly action: string };

/** @throws TemplateError if it contains what this does not know. */
export function parseTemplate(source: string): Template {
  const pieces = piecesOf(source);
  const defined = new Map<string, readonly Node[]>();
  const reader = new Reader(pieces, defined);
  const { nodes, end } = reader.until();
  if (end !== undefined) throw new TemplateError(`{{${end}}} without a beginning`);
  return { body: nodes, defined };
}

function piecesOf(source: string): Piece[] {
  const pieces: Piece[] = [];
  let position = 0;
  let trims = false;
  const addText = (end: number, trimsEnd: boolean) => {
    let text = source.slice(position, end);
    if (trims) text = text.trimStart();
    if (trimsEnd) text = text.trimEnd();
    if (text.includes('{{')) throw new TemplateError(`{{ without an end: ${text}`);
    pieces.push({ text });
  };
  for (const match of source.matchAll(ACTION)) {
    addText(match.index, match[1] !== undefined);
    position = match.index + match[0].length;
    trims = match[3] !== undefined;
    const action = (match[2] ?? '').trim();
    // A comment ends with its action: `{{- /* … */}}`.
    if (!/^\/\*[\s\S]*\*\/$/.test(action)) pieces.push({ action });
  }
  addText(source.length, false);
  return pieces;
}

class Reader {
  readonly #pieces: readonly Piece[];
  readonly #defined: Map<string, readonly Node[]>;
  #next = 0;

  constructor(pieces: readonly Piece[], defined: Map<string, readonly Node[]>) {
    this.#pieces = pieces;
    this.#defined = defined;
  }

  /** Reads to the end of a block, or of everything; `end` is what ended it. */
  until(): { nodes: Node[]; end?: string } {
    const nodes: Node[] = [];
    for (let piece = this.#pieces[this.#next]; piece !== undefined; piece = this.#pieces[this.#next]) {
      this.#next += 1;
      if ('text' in piece) {
        nodes.push({ kind: 'text', text: piece.text });
        continue;
      }
      if (/^(end|else)\b/.test(piece.action)) return { nodes, end: piece.action };
      const node = this.#node(piece.action);
      if (node !== undefined) nodes.push(node);
    }
    return { nodes };
  }

  #node(action: string): Node | undefined {
    const [, keyword, rest = ''] =
      /^(if|range|define|with|block|template|break|continue)\b\s*([\s\S]*)$/.exec(action) ?? [
        undefined,
        undefined,
        action,
      ];
    switch (keyword) {
      case undefined:
        return simple(action);
      case 'if':
        return this.#if(rest);
      case 'range': {
        const [, variables = '', list = rest] = /^((?:\$\w+, )?\$\w+) := ([\s\S]*)$/.exec(rest) ?? [];
        const names = variables === '' ? [] : variables.split(', ');
        return { kind: 'range', names, pipeline: pipelineOf(list), body: this.#body(action) };
      }
      case 'define': {
        const name: unknown = JSON.parse(rest);
        if (typeof name !== 'string' || this.#defined.has(name)) throw new TemplateError(`{{${action}}}`);
        this.#defined.set(name, this.#body(action));
        return undefined;
      }
      default:
        throw new TemplateError(`{{${keyword}}} is not known here`);
    }
  }

  #if(condition: string): Node {
    const { nodes, end } = this.until();
    const pipeline = pipelineOf(condition);
    if (end === 'end') return { kind: 'if', pipeline, holds: nodes, otherwise: [] };
    if (end === 'else') return { kind: 'if', pipeline, holds: nodes, otherwise: this.#body('else') };
    const chained = /^else if\s+([\s\S]*)$/.exec(end ?? '')?.[1];
    if (chained === undefined) throw new TemplateError(`{{if ${condition}}} ends with {{${end}}}`);
    return { kind: 'if', pipeline, holds: nodes, otherwise: [this.#if(chained)] };
  }

  #body(action: string): readonly Node[] {
    const { nodes, end } = this.until();
    if (end !== 'end') throw new TemplateError(`{{${action}}} ends with {{${end}}}`);
    return nodes;
  }
}

function simple(action: string): Node {
  const [, name, operator, rest = ''] = /^(\$\w+) (:?=) ([\s\S]*)$/.exec(action) ?? [];
  return name === undefined
    ? { kind: 'output', pipeline: pipelineOf(action) }
    : { kind: 'assign', name, declares: operator === ':=', pipeline: pipelineOf(rest) };
}

function pipelineOf(text: string): Pipeline {
  const tokens: string[] = [];
  let end = 0;
  for (const [token] of text.matchAll(TOKENS)) {
    end += token.length;
    if (token.trim() !== '') tokens.push(token);
  }
  if (end !== text.length) throw new TemplateError(`{{${text}}}: ${text.slice(end)} is not known here`);
  const { pipeline, rest } = readPipeline(tokens, text);
  if (rest.length > 0) throw new TemplateError(`{{${text}}}: unexpected ${rest[0]}`);
  return pipeline;
}

function readPipeline(
  tokens: readonly string[],
  text: string,
): { pipeline: Pipeline; rest: readonly string[] } {
  const commands: Operand[][] = [[]];
  let rest = tokens;
  for (let [token] = rest; token !== undefined && !token.startsWith(')'); [token] = rest) {
    rest = rest.slice(1);
    if (token === '|') commands.push([]);
    else if (token === '(') {
      const inner = readPipeline(rest, text);
      const [closing] = inner.rest;
      if (closing === undefined) throw new TemplateError(`{{${text}}}: ( without )`);
      rest = inner.rest.slice(1);
      commands.at(-1)?.push({ kind: 'fields', of: inner.pipeline, path: pathOf(closing.slice(1)) });
    } else commands.at(-1)?.push(operandOf(token, text));
  }
  if (commands.some((command) => command.length === 0)) throw new TemplateError(`{{${text}}}: nothing in it`);
  return { pipeline: { commands }, rest };
}

function operandOf(token: string, text: string): Operand {
  if (token.startsWith('"')) return { kind: 'literal', value: String(JSON.parse(token)) };
  if (/^-?\d/.test(token)) return { kind: 'literal', value: Number(token) };
  if (token === 'true' || token === 'false') return { kind: 'literal', value: token === 'true' };
  if (token.startsWith('.')) return { kind: 'fields', of: 'dot', path: pathOf(token) };
  if (token.startsWith('$')) {
    const [name = '', ...path] = token.split('.');
    return { kind: 'fields', of: name, path };
  }
  if (!/^[A-Za-z_]\w*$/.test(token)) throw new TemplateError(`{{${text}}}: unexpected ${token}`);
  return { kind: 'function', name: token };
}

function pathOf(text: string): readonly string[] {
  return text.split('.').filter((name) => name !== '');
}
