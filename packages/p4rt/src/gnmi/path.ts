import { P4rtError } from '../errors.js';
import type { Path, PathElem } from '../gen/gnmi/gnmi.js';

/**
 * Reads a gNMI path: `interfaces/virtual-interface[name=TAP0]/config/mtu`, with or without a leading `/`.
 * An origin stands before the first `/`: `openconfig:/interfaces`. In names and values `\` takes the next character as
 * it is; it is needed for `/`, `[`, `]` and `\` in names, and for `]` and `\` in values (gNMI specification, "Representing
 * Paths"). The empty path and `/` are the root.
 * @throws P4rtError PATH_SYNTAX with the position of the fault
 */
export function parsePath(text: string): Path {
  const scan = new Scanner(text);
  const origin = scan.origin();
  scan.accept('/');
  const elem: PathElem[] = [];
  while (!scan.atEnd()) {
    elem.push(scan.element());
    if (scan.atEnd()) break;
    scan.expect('/');
    if (scan.atEnd()) throw scan.fault("the path ends with '/'");
  }
  return { element: [], origin, elem, target: '' };
}

/** The text of a path, such that {@link parsePath} reads the same path. Keys are in the order of their names. */
export function formatPath(path: Pick<Path, 'origin' | 'elem' | 'element'>): string {
  const elements =
    path.elem.length > 0
      ? path.elem.map(({ name, key }) => escaped(name, /[\\/[\]]/g) + formatKeys(key))
      : path.element.map((name) => escaped(name, /[\\/[\]]/g));
  const body = elements.join('/');
  if (path.origin !== '') return `${path.origin}:/${body}`;
  // A first name with a colon would read as an origin.
  return elements[0]?.includes(':') ? `/${body}` : body;
}

function formatKeys(keys: PathElem['key']): string {
  return Object.keys(keys)
    .sort()
    .map((name) => `[${escaped(name, /[\\=\]]/g)}=${escaped(keys[name] ?? '', /[\\\]]/g)}]`)
    .join('');
}

function escaped(text: string, special: RegExp): string {
  return text.replace(special, '\\$&');
}

class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  atEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  accept(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  expect(char: string): void {
    if (!this.accept(char)) throw this.fault(`expected '${char}'`);
  }

  /** What is before `:/`, unless that is a path itself. */
  origin(): string {
    const match = /^([^/[\]\\:]+):(?=\/)/.exec(this.#text);
    if (match === null) return '';
    this.#at = match[0].length;
    return match[1] ?? '';
  }

  element(): PathElem {
    const name = this.#until('/[');
    if (name === '') throw this.fault('an element has no name');
    const key: Record<string, string> = {};
    while (this.accept('[')) {
      const start = this.#at;
      const keyName = this.#until('=]');
      if (keyName === '') throw this.fault('a key has no name');
      this.expect('=');
      if (Object.hasOwn(key, keyName)) throw this.fault(`key '${keyName}' is given twice`, start);
      const value = this.#until(']');
      this.expect(']');
      Object.defineProperty(key, keyName, { value, enumerable: true, configurable: true, writable: true });
    }
    return { name, key };
  }

  fault(reason: string, position = this.#at): P4rtError<'PATH_SYNTAX'> {
    const found = position < this.#text.length ? `found '${this.#text[position]}'` : 'the path ends';
    return new P4rtError('PATH_SYNTAX', `path '${this.#text}', position ${position}: ${reason} (${found})`, {
      details: {
        path: this.#text,
        position,
      },
    });
  }

  /** Text up to one of `stops`, with escapes taken out. */
  #until(stops: string): string {
    let out = '';
    while (!this.atEnd()) {
      const char = this.#text.charAt(this.#at);
      if (stops.includes(char)) break;
      if (char === ']' && !stops.includes(']')) throw this.fault("']' without '['");
      if (char === '\\') {
        this.#at++;
        if (this.atEnd()) throw this.fault("nothing follows '\\'");
      }
      out += this.#text.charAt(this.#at);
      this.#at++;
    }
    return out;
  }
}
