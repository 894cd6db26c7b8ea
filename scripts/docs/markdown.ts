const FENCED = /^( *)(```|~~~)(\w*)[^\n]*\n(.*?)^\1\2 *$/gms;
const CODE_SPAN = /(`+)((?:(?!\1)[^\n]|\n(?!\n))+?)\1(?!`)/g;

/** The code blocks of a language. */
export function codeBlocks(text: string, language: string): string[] {
  return [...text.matchAll(FENCED)].flatMap(([, , , lang, code = '']) => (lang === language ? [code] : []));
}

/** Code within the text, without the blocks. */
export function codeSpans(text: string): string[] {
  return [...withoutBlocks(text).matchAll(CODE_SPAN)].map(([, , code = '']) =>
    code.replace(/\s+/g, ' ').trim(),
  );
}

/** What the links of a page point to. */
export function links(text: string): string[] {
  const prose = withoutBlocks(text).replace(CODE_SPAN, 'code');
  const inline = [...prose.matchAll(/\]\(([^()\s]+)(?:\s+"[^"]*")?\)/g)];
  const references = [...prose.matchAll(/^\[[^\]]+\]:\s*(\S+)/gm)];
  return [...inline, ...references].map(([, target = '']) => target);
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchors(text: string): Set<string> {
  const seen = new Map<string, number>();
  const found = new Set<string>();
  for (const [, heading = ''] of withoutBlocks(text).matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const slug = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
      .replaceAll(' ', '-');
    const before = seen.get(slug) ?? 0;
    seen.set(slug, before + 1);
    found.add(before === 0 ? slug : `${slug}-${before}`);
  }
  return found;
}

function withoutBlocks(text: string): string {
  return text.replace(FENCED, '');
}
