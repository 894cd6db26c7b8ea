const LITERAL = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null)(?![\w.+-])/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/** What may come next. */
type State = 'value' | 'value or end' | 'key' | 'key or end' | 'colon' | 'comma or end' | 'nothing';

/** Where a text that is no JSON stops being JSON, for JSON.parse often does not tell. */
export function jsonFault(text: string): number {
  const open: string[] = [];
  let state: State = 'value';
  for (let at = afterBlanks(text, 0); at < text.length; at = afterBlanks(text, at)) {
    const first = text.charAt(at);
    const next = follow(state, first, open);
    if (next === undefined) return at;
    state = next;
    if (first === '"') {
      const end = endOfString(text, at);
      if (end.fault) return end.offset;
      at = end.offset;
    } else if ('{}[],:'.includes(first)) {
      at++;
    } else {
      LITERAL.lastIndex = at;
      if (!LITERAL.test(text)) return at;
      at = LITERAL.lastIndex;
    }
  }
  return text.length;
}

/** The state behind a token, of which the first character is known; undefined if it may not stand here. */
function follow(state: State, token: string, open: string[]): State | undefined {
  switch (token) {
    case '{':
    case '[':
      if (state !== 'value' && state !== 'value or end') return undefined;
      open.push(token);
      return token === '{' ? 'key or end' : 'value or end';
    case '}':
    case ']': {
      const isEmpty = state === (token === '}' ? 'key or end' : 'value or end');
      if (!isEmpty && state !== 'comma or end') return undefined;
      if (open.pop() !== (token === '}' ? '{' : '[')) return undefined;
      return afterValue(open);
    }
    case ',':
      if (state !== 'comma or end') return undefined;
      return open.at(-1) === '{' ? 'key' : 'value';
    case ':':
      return state === 'colon' ? 'value' : undefined;
    default:
      if (state === 'value' || state === 'value or end') return afterValue(open);
      return token === '"' && (state === 'key' || state === 'key or end') ? 'colon' : undefined;
  }
}

function afterValue(open: readonly string[]): State {
  return open.length === 0 ? 'nothing' : 'comma or end';
}

/** Where a string ends, or what is wrong in it stands. */
function endOfString(text: string, start: number): { readonly offset: number; readonly fault: boolean } {
  for (let at = start + 1; at < text.length; ) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return { offset: at + 1, fault: false };
    if (code < 0x20) return { offset: at, fault: true };
    if (code !== 0x5c) {
      at++;
      continue;
    }
    ESCAPE.lastIndex = at;
    if (!ESCAPE.test(text)) return { offset: at, fault: true };
    at = ESCAPE.lastIndex;
  }
  return { offset: text.length, fault: true };
}

function afterBlanks(text: string, start: number): number {
  let at = start;
  while (at < text.length && ' \t\r\n'.includes(text.charAt(at))) at++;
  return at;
}
