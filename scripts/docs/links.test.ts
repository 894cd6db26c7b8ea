import { existsSync, readdirSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { filesBelow, ROOT, read } from './files.js';
import { anchors, links } from './markdown.js';

const files = filesBelow();
const pages = files.filter((path) => path.endsWith('.md'));

/** Why a link of a page leads nowhere; undefined if it leads somewhere. */
function problemOf(page: string, text: string, link: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(link)) return undefined;
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : posix.join(posix.dirname(page), decodeURI(path));
  if (!existsSync(join(ROOT, target))) return `${link}: there is no ${target}`;
  if (anchor === undefined || !target.endsWith('.md')) return undefined;
  const there = anchors(path === '' ? text : read(target));
  return there.has(anchor) ? undefined : `${link}: ${target} has no heading #${anchor}`;
}

describe('links', () => {
  it.each(pages)('of %s lead to files and headings', (page) => {
    const text = read(page);
    expect(links(text).flatMap((link) => problemOf(page, text, link) ?? [])).toEqual([]);
  });

  it('are seen when they are broken', () => {
    const text =
      '# A `b` c!\n\n[x](#a-b-c) [y](#nothing) [z](nowhere.md)\n\n```sh\n# no heading\n[no](link.md)\n```\n';
    expect(links(text).flatMap((link) => problemOf('README.md', text, link) ?? [])).toEqual([
      '#nothing: README.md has no heading #nothing',
      'nowhere.md: there is no nowhere.md',
    ]);
  });
});

it('sources, manifests and messages name pages that exist', () => {
  const named = files
    .filter((path) => /\.(ts|mjs|sh|ya?ml|service|p4|c|h|proto)$|Makefile$|Dockerfile$/.test(path))
    .filter((path) => !path.startsWith('scripts/docs/'))
    .flatMap((path) =>
      [...read(path).matchAll(/\b(?:docs|apps|packages|tools|p4src)\/[\w./-]+\.md\b/g)].map(([name]) => ({
        path,
        name,
      })),
    );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter(({ name }) => !existsSync(join(ROOT, name)))).toEqual([]);
});

it('docs/README.md lists every guide', () => {
  const guides = readdirSync(join(ROOT, 'docs')).filter(
    (name) => name.endsWith('.md') && name !== 'README.md',
  );
  expect(guides.filter((name) => !links(read('docs/README.md')).includes(name))).toEqual([]);
});
