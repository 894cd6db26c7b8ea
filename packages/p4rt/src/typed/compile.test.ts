import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { SNIPPET_OPTIONS } from './testing/snippet-options.js';

// What must not compile, checked with the compiler itself: a type alone does not show that a literal with a misspelt key
// is refused.

const FILE = fileURLToPath(new URL('snippet.ts', import.meta.url));
const PRELUDE = `
  import { fixture } from '../testing/fixture.js';
  import { typedProgram } from './program.js';
  const named = {
    ...fixture,
    tables: {
      ...fixture.tables,
      ports: {
        id: 1, size: 8, needsPriority: true, isConst: false, supportsIdleTimeout: false,
        match: { name: { id: 1, bitwidth: 0, kind: 'exact' }, alias: { id: 2, bitwidth: 0, kind: 'ternary' } },
        actions: { rename: { id: 2, scope: 'both', params: { name: { id: 1, bitwidth: 0 }, to: { id: 2, bitwidth: 9 } } } },
      },
    },
    packetMetadata: { packet_out: { id: 3, fields: { egress: { id: 1, bitwidth: 0 } } } },
  } as const;
  const { tables: t, actionProfiles: p, counters: c, packetMetadata: m } = typedProgram(named);
  const key = { dst_ip: 1, protocol: 6, dst_port: 80 };
`;

/** The errors of many snippets, each a statement, by one run of the compiler. */
function errorsOf(snippets: readonly string[]): string[][] {
  const lines = PRELUDE.split('\n').length;
  const source = `${PRELUDE}\n${snippets.join('\n')}\n`;
  const host = ts.createCompilerHost(SNIPPET_OPTIONS);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (name) => name === FILE || fileExists(name);
  host.getSourceFile = (name, version, ...rest) =>
    name === FILE ? ts.createSourceFile(name, source, version) : getSourceFile(name, version, ...rest);
  const program = ts.createProgram([FILE], SNIPPET_OPTIONS, host);
  const errors: string[][] = snippets.map(() => []);
  for (const diagnostic of program.getSemanticDiagnostics(program.getSourceFile(FILE))) {
    const { line } = ts.getLineAndCharacterOfPosition(
      diagnostic.file ?? ts.createSourceFile('', '', 99),
      diagnostic.start ?? 0,
    );
    errors[line - lines]?.push(ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n'));
  }
  return errors;
}

const GOOD = [
  't.service.entry(key, t.service.actions.set_service({ group_id: 7, flags: "0x1" }));',
  't.service.entry(key, t.service.actions.forward({ mac: "02:00:00:00:00:01" }), { idleTimeoutNs: 1n });',
  't.acl.entry({ vrf: 1, dst: "10.0.0.0/8", flags: { value: 1, mask: 3 }, port: { low: 1, high: 2 } }, t.acl.actions.drop(), { priority: 1 });',
  't.acl.key({ vrf: 1, src_mac: undefined }, { priority: 1 });',
  't.endpoint_group.entry({ group_id: 1 }, t.endpoint_group.group(1));',
  'p.selector.member(1, p.selector.actions.select({ endpoint_id: 1 }));',
  't.service.counter(key); c.drops.cell(1);',
  't.ports.entry({ name: "eth0", alias: { value: "eth0", mask: "x" } }, t.ports.actions.rename({ name: "eth1", to: 1 }), { priority: 1 });',
];

const BAD: [string, RegExp][] = [
  ['t.ports.key({ name: 5 }, { priority: 1 });', /'number' is not assignable to type 'string/],
  ['t.ports.key({ name: "a", alias: 5n }, { priority: 1 });', /'bigint' is not assignable/],
  [
    't.ports.key({ name: "a", alias: { value: "a", mask: 1 } }, { priority: 1 });',
    /'number' is not assignable/,
  ],
  ['t.ports.actions.rename({ name: 1, to: 1 });', /'number' is not assignable to type 'string/],
  ['m.packet_out.encode({ egress: 1 });', /'number' is not assignable to type 'string/],
  ['t.servce.all();', /'servce'.*[Dd]id you mean 'service'/],
  ['t.service.key({ dst_ip: 1, protocol: 6, dst_prot: 80 });', /dst_prot/],
  ['t.service.key({ dst_ip: 1, protocol: 6 });', /dst_port/],
  ['t.acl.key({ vrf: 1, dts: "10.0.0.0/8" }, { priority: 1 });', /'dts'/],
  ['t.acl.key({ vrf: 1, port: { value: 1, mask: 1 } }, { priority: 1 });', /'value'|'mask'/],
  ['t.acl.key({ vrf: 1 });', /Expected 2 arguments/],
  ['t.acl.key({ vrf: 1 }, {});', /priority/],
  ['t.service.key(key, { priority: 1 });', /undefined|never/],
  ['t.service.actions.set_srvice({});', /set_srvice/],
  ['t.service.actions.set_service({ group_id: 7 });', /flags/],
  ['t.service.actions.set_service({ group_id: 7, flag: 0 });', /flag/],
  ['t.service.actions.drop();', /'drop' does not exist/],
  ['t.service.defaultActions.forward({ mac: 1 });', /'forward' does not exist/],
  ['t.service.entry(key, t.service.defaultActions.drop());', /not assignable/],
  ['t.service.entry(key, t.acl.actions.allow({ mask: 1 }));', /not assignable/],
  ['t.service.entry(key, { actionId: 1, params: [] });', /not assignable/],
  [
    't.endpoint_group.entry({ group_id: 1 }, t.endpoint_group.actions.select({ endpoint_id: 1 }));',
    /not assignable/,
  ],
  ['t.service.group(1);', /'group' does not exist/],
  ['t.acl.counter();', /'counter' does not exist/],
  ['p.selector.actions.drop();', /'drop' does not exist/],
  ['c.drop.cell(1);', /'drop' does not exist/],
];

describe('the compiler', () => {
  const errors = errorsOf([...GOOD, ...BAD.map(([code]) => code)]);

  it.each(GOOD.map((code, i) => [code, i] as const))('takes %s', (_, i) => {
    expect(errors[i]).toEqual([]);
  });

  it.each(BAD.map(([code, message], i) => [code, message, i] as const))('refuses %s', (_, message, i) => {
    expect(errors[GOOD.length + i]?.join('\n')).toMatch(message);
  });
});
