import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { generateDescriptor, nameFromFile } from './codegen.js';
import { P4InfoError } from './errors.js';
import { P4Program } from './model/program.js';

const fixture = (name: string) => readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8');

/** What the generated source evaluates to. */
async function evaluate(source: string, name: string): Promise<unknown> {
  const { outputText, diagnostics } = ts.transpileModule(source, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
    reportDiagnostics: true,
  });
  expect(diagnostics).toEqual([]);
  const module: unknown = await import(`data:text/javascript,${encodeURIComponent(outputText)}`);
  return Reflect.get(Object(module), `${name}Descriptor`);
}

/** Names that no identifier has, and that JavaScript treats in ways of its own. */
const odd = P4Program.parse(String.raw`
  tables {
    preamble { id: 1 name: "c.it's" alias: "it's" }
    match_fields { id: 1 name: "hdr.ipv4.$valid$" bitwidth: 1 match_type: EXACT }
    match_fields { id: 2 name: "__proto__" bitwidth: 8 match_type: EXACT }
    match_fields { id: 3 name: "7" bitwidth: 8 match_type: EXACT }
    match_fields { id: 4 name: "hdr.stack[0].\"x\"\\\n\u2028" bitwidth: 8 match_type: EXACT }
    action_refs { id: 10 }
    action_refs { id: 11 }
    action_refs { id: 12 }
    const_default_action_id: 11
  }
  tables { preamble { id: 2 name: "constructor" alias: "constructor" } }
  tables { preamble { id: 3 name: "a.same" alias: "same" } }
  tables { preamble { id: 4 name: "b.same" alias: "same" } }
  tables { preamble { id: 5 name: "same" } }
  actions { preamble { id: 10 name: "a.drop" alias: "drop" } params { id: 1 name: "class" bitwidth: 3 } }
  actions { preamble { id: 11 name: "b.drop" alias: "drop" } }
  actions { preamble { id: 12 name: "__proto__" alias: "__proto__" } }
`);

describe('generateDescriptor', () => {
  it.each([
    ['v1model', P4Program.parse(fixture('v1model.txtpb'))],
    ['psa', P4Program.parse(fixture('psa.txtpb'))],
    ['odd', odd],
    ['empty', P4Program.parse('pkg_info { }')],
  ])('writes the description of %s', async (name, program) => {
    const source = generateDescriptor(program, name);
    expect(await evaluate(source, name)).toEqual(program.describe(name));
    expect(source.endsWith('\n')).toBe(true);
    expect(generateDescriptor(program, name)).toBe(source);
  });

  it('is as it was', async () => {
    const source = generateDescriptor(P4Program.parse(fixture('v1model.txtpb')), 'edge');
    await expect(source).toMatchFileSnapshot('../fixtures/v1model.descriptor.txt');
  });

  it('keeps objects apart that share an alias', () => {
    const { tables } = odd.describe('odd');
    expect(Object.keys(tables)).toEqual(["it's", 'constructor', 'a.same', 'b.same', 'same#5']);
    const actions = tables["it's"]?.actions ?? {};
    expect(Object.keys(actions)).toEqual(['a.drop', 'b.drop', '__proto__']);
    expect(tables["it's"]?.constDefaultAction).toBe('b.drop');
    expect(Object.hasOwn(tables["it's"]?.match ?? {}, '__proto__')).toBe(true);
  });

  it.each(['', '1a', 'a-b', 'a b', 'a;b'])('refuses the name %j', (name) => {
    expect(() => generateDescriptor(odd, name)).toThrow(P4InfoError);
  });
});

describe('nameFromFile', () => {
  it.each([
    ['dpdk/k8s_dp.p4info.txtpb', 'k8sDp'],
    ['C:\\x\\my-prog.txt', 'myProg'],
    ['p4info', 'p4info'],
    ['/a.b/edge', 'edge'],
    ['7up.txt', undefined],
    ['_.txt', undefined],
    ['.hidden', undefined],
  ])('%s gives %s', (file, name) => {
    expect(nameFromFile(file)).toBe(name);
  });
});

describe('docstrings', () => {
  const program = P4Program.parse(String.raw`
    tables {
      preamble { id: 1 name: "c.routes" alias: "routes" doc { brief: "Where packets go." description: "One entry a prefix.\n*/ is harmless." } }
      match_fields { id: 1 name: "dst" bitwidth: 32 match_type: LPM doc { brief: "The destination." } }
      action_refs { id: 2 }
    }
    actions {
      preamble { id: 2 name: "c.send" alias: "send" doc { description: "Sends it.\x07" } }
      params { id: 1 name: "port" bitwidth: 9 doc { brief: "Where to." } }
    }
  `);

  it('are what the program says of its objects', async () => {
    const source = generateDescriptor(program, 'small');
    expect(source).toContain(`
    /**
     * Where packets go.
     *
     * One entry a prefix.
     * *\\/ is harmless.
     */
    routes: {`);
    expect(source).toContain('\n        /** The destination. */\n        dst: {');
    expect(source).toContain('\n        /** Sends it. */\n        send: {');
    expect(source).toContain('\n            /** Where to. */\n            port: {');
    expect(await evaluate(source, 'small')).toEqual(program.describe('small'));
  });
});
