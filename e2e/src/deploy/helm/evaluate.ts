import { type Dict, FUNCTIONS, isDict, isEmpty, type TemplateFunction } from './functions.js';
import { type Node, type Operand, type Pipeline, type Template, TemplateError } from './parse.js';

/** Variables of a block, and of those around it. */
class Scope {
  readonly dot: unknown;
  readonly #around: Scope | undefined;
  readonly #values = new Map<string, unknown>();

  constructor(dot: unknown, around?: Scope) {
    this.dot = dot;
    this.#around = around;
  }

  declare(name: string, value: unknown): this {
    this.#values.set(name, value);
    return this;
  }

  assign(name: string, value: unknown): void {
    if (this.#values.has(name)) this.#values.set(name, value);
    else if (this.#around === undefined) throw new TemplateError(`undefined variable ${name}`);
    else this.#around.assign(name, value);
  }

  get(name: string): unknown {
    if (this.#values.has(name)) return this.#values.get(name);
    if (this.#around === undefined) throw new TemplateError(`undefined variable ${name}`);
    return this.#around.get(name);
  }
}

/** Files of one chart: each sees what the others define. */
export class Templates {
  readonly #defined: ReadonlyMap<string, readonly Node[]>;
  readonly #functions: Readonly<Record<string, TemplateFunction>>;

  constructor(files: readonly Template[], own: Readonly<Record<string, TemplateFunction>>) {
    this.#defined = new Map(files.flatMap(({ defined }) => [...defined]));
    this.#functions = {
      ...FUNCTIONS,
      ...own,
      include: (name, data) => {
        const nodes = this.#defined.get(String(name));
        if (nodes === undefined) throw new TemplateError(`no template "${String(name)}"`);
        return this.render(nodes, data);
      },
    };
  }

  /** @throws TemplateError if it does what Go's templates would not do, or would do silently. */
  render(nodes: readonly Node[], data: unknown): string {
    return this.#nodes(nodes, new Scope(data).declare('$', data));
  }

  #nodes(nodes: readonly Node[], scope: Scope): string {
    return nodes.map((node) => this.#node(node, scope)).join('');
  }

  #node(node: Node, scope: Scope): string {
    switch (node.kind) {
      case 'text':
        return node.text;
      case 'output': {
        const value = this.#value(node.pipeline, scope);
        if (typeof value === 'string' || typeof value === 'number') return String(value);
        throw new TemplateError(`${JSON.stringify(value)} is no text`);
      }
      case 'assign': {
        const value = this.#value(node.pipeline, scope);
        if (node.declares) scope.declare(node.name, value);
        else scope.assign(node.name, value);
        return '';
      }
      case 'if': {
        const holds = !isEmpty(this.#value(node.pipeline, scope));
        return this.#nodes(holds ? node.holds : node.otherwise, new Scope(scope.dot, scope));
      }
      case 'range':
        return entriesOf(this.#value(node.pipeline, scope))
          .map(([key, value]) => {
            const inner = new Scope(value, scope);
            const [first, second] = node.names;
            if (second !== undefined) inner.declare(first ?? '', key).declare(second, value);
            else if (first !== undefined) inner.declare(first, value);
            return this.#nodes(node.body, inner);
          })
          .join('');
    }
  }

  #value({ commands }: Pipeline, scope: Scope): unknown {
    return commands.reduce<readonly unknown[]>(
      (piped, command) => [this.#command(command, piped, scope)],
      [],
    )[0];
  }

  #command([head, ...rest]: readonly Operand[], piped: readonly unknown[], scope: Scope): unknown {
    if (head === undefined) throw new TemplateError('an empty command');
    const callee = head.kind === 'function' ? this.#function(head.name) : this.#operand(head, scope);
    const args = [...rest.map((operand) => this.#operand(operand, scope)), ...piped];
    if (typeof callee === 'function') return callee(...args);
    if (args.length > 0) throw new TemplateError('what is no function gets no arguments');
    return callee;
  }

  #operand(operand: Operand, scope: Scope): unknown {
    switch (operand.kind) {
      case 'literal':
        return operand.value;
      case 'function':
        return this.#function(operand.name)();
      case 'fields': {
        const { of, path } = operand;
        const start =
          of === 'dot' ? scope.dot : typeof of === 'string' ? scope.get(of) : this.#value(of, scope);
        return path.reduce(fieldOf, start);
      }
    }
  }

  #function(name: string): TemplateFunction {
    const found = this.#functions[name];
    if (found === undefined) throw new TemplateError(`function "${name}" is not known here`);
    return found;
  }
}

function fieldOf(value: unknown, name: string): unknown {
  if (!isDict(value)) throw new TemplateError(`${JSON.stringify(value)} has no field ${name}`);
  return value[name];
}

function entriesOf(value: unknown): readonly (readonly [unknown, unknown])[] {
  if (Array.isArray(value)) return [...value.entries()];
  if (!isDict(value)) throw new TemplateError(`${JSON.stringify(value)} is neither list nor map`);
  return keysOf(value).map((key) => [key, value[key]]);
}

function keysOf(dict: Dict): readonly string[] {
  return Object.keys(dict).sort();
}
