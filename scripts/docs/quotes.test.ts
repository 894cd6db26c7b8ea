import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FELIX_REASONS, SERVICE_REASONS } from '../../packages/infra-api/src/reasons/agent.js';
import { MANAGER_REASONS } from '../../packages/infra-api/src/reasons/manager.js';
import { READINESS_REASONS } from '../../packages/infra-api/src/reasons/readiness.js';
import { WARNING_REASONS } from '../../packages/infra-api/src/reasons/warnings.js';
import { filesBelow, ROOT, read } from './files.js';
import { codeBlocks, codeSpans } from './markdown.js';
import { isOwnCommand, problemOf } from './quotes.js';
import { conditionRows, explanationRows, REASONS } from './reasons.js';
import { isLiteral, sources } from './sources.js';

const problems = (quotes: readonly string[]) => quotes.flatMap((quote) => problemOf(quote) ?? []);

/** The commands of a page's shell blocks, without comments. */
function commands(text: string): string[] {
  return codeBlocks(text, 'sh')
    .flatMap((block) => block.split('\n'))
    .map((line) => line.replace(/(^|\s+)#.*$/, '').trim())
    .filter((line) => line !== '');
}

describe('docs/troubleshooting.md', () => {
  const page = read('docs/troubleshooting.md');

  it('quotes messages, reasons, settings and paths that exist', () => {
    expect(codeSpans(page).length).toBeGreaterThan(50);
    expect(problems(codeSpans(page))).toEqual([]);
  });

  it('gives commands that exist', () => {
    expect(commands(page)).toHaveLength(11);
    expect(problems(commands(page))).toEqual([]);
  });

  it.each([
    ['infra-manager is not contented: …', /nothing says so/],
    ['… are attached to pods and no free interface: …', /nothing says so/],
    ['TooManyEnds', /no such reason/],
    ['policyChanges: keep', /nothing is called policyChanges/],
    ['/run/softswitch/dataplane.txt', /no such path/],
    ['infractl state', /no command state/],
    ['infractl status --everything', /no flag --everything/],
    ['infractl stat', /no command stat/],
    ['infractl status --al', /no flag --al/],
    ['tls-certs revoke', /no command revoke/],
    ['make everything', /no target everything/],
    ['kubectl -n infra-onload get pods', /no namespace infra-onload/],
    ['curl http://127.0.0.1:50097/readyz', /nothing listens on 50097/],
    ['curl http://127.0.0.1:50096/ready-z', /nothing serves/],
  ])('would not be believed with %s', (quote, problem) => {
    expect(problemOf(quote)).toMatch(problem);
  });
});

it.each(filesBelow().filter((path) => path.endsWith('.md')))(
  '%s gives commands of ours that exist',
  (path) => {
    const page = read(path);
    const lines = commands(page).map((line) => line.replace(/^sudo (npx )?/, ''));
    expect(problems([...codeSpans(page), ...lines].filter(isOwnCommand))).toEqual([]);
  },
);

describe('tables of reasons are those of the programs', () => {
  it.each([
    ['docs/conditions.md', 'Objects', conditionRows(MANAGER_REASONS)],
    ['docs/conditions.md', 'Reported by the agent', explanationRows(SERVICE_REASONS)],
    ['docs/conditions.md', 'Why the manager is not ready', explanationRows(READINESS_REASONS)],
    ['docs/conditions.md', 'What connections suffer from', explanationRows(WARNING_REASONS)],
    ['packages/felix/README.md', 'What cannot be expressed', explanationRows(FELIX_REASONS)],
  ])('%s: %s', (page, heading, rows) => {
    const section = read(page)
      .split(/^#+ /m)
      .find((text) => text.startsWith(`${heading}\n`));
    expect(section?.match(/^\| `.*$/gm)).toEqual(rows);
  });

  it('each is given somewhere', () => {
    expect(REASONS.filter((reason) => !isLiteral(reason))).toEqual([]);
  });
});

describe.each(['agent', 'manager'])('docs/configuration-%s.md', (program) => {
  const page = read(`docs/configuration-${program}.md`);
  const spans = codeSpans(page);
  const own = sources.filter(
    ({ path }) => path.startsWith(`apps/${program}/src/`) || path.startsWith('packages/service/src/'),
  );
  const isOwn = (pattern: RegExp) => own.some(({ text }) => pattern.test(text));

  it('names keys and flags that exist', () => {
    const keys = (page.match(/^\| `.*$/gm) ?? [])
      .flatMap((row) => codeSpans(row.split('|')[1] ?? ''))
      .flatMap((key) => key.match(/\w+/g) ?? []);
    const flags = spans.flatMap((span) => /^--([\w-]+)/.exec(span)?.[1] ?? []);
    expect(Math.min(keys.length, flags.length)).toBeGreaterThan(10);
    expect(keys.filter((key) => !isOwn(new RegExp(`\\b${key}\\b`)))).toEqual([]);
    expect(flags.filter((flag) => !isOwn(new RegExp(`(--|')${flag}\\b`)))).toEqual([]);
  });

  it('names every environment variable, and no others', () => {
    const variable = /\b(INFRA_(?:AGENT|MANAGER)_[A-Z0-9_]+|NODE_NAME)\b/g;
    const known = own.flatMap(({ text }) => text.match(variable) ?? []);
    const named = spans.flatMap((span) => span.match(variable) ?? []);
    expect([...new Set(named)].filter((name) => !known.includes(name))).toEqual([]);
    expect([...new Set(known)].filter((name) => !named.includes(name))).toEqual([]);
  });
});

it('docs/install.md lists the overlays, and counts them', () => {
  const page = read('docs/install.md');
  const overlays = readdirSync(join(ROOT, 'deploy/overlays')).sort();
  const listed = [...page.slice(0, page.indexOf('## 1.')).matchAll(/^\| `(\w+)` \|/gm)].map(
    ([, name]) => name,
  );
  expect(listed.sort()).toEqual(overlays);
  expect(page).toContain(`There are ${['no', 'one', 'two', 'three', 'four', 'five'][overlays.length]} ways`);
});
