import { readFileSync } from 'node:fs';
import { thrown } from '@infra-offload/base/testing';
import { describe, expect, it } from 'vitest';
import { P4InfoError } from '../errors.js';
import { formatProgram } from '../format-program.js';
import { P4Info } from '../proto.js';
import { P4Program } from './program.js';

const fixture = (name: string) => readFileSync(new URL(`../../fixtures/${name}`, import.meta.url), 'utf8');
const v1model = P4Program.parse(fixture('v1model.txtpb'));
const psa = P4Program.parse(fixture('psa.txtpb'));

const fault = (action: () => unknown) => thrown(P4InfoError, action);

describe('lookup', () => {
  it('takes full name, alias, unique suffix and id', () => {
    const table = v1model.table('ingress.acl.filter');
    expect(table.id).toBe(33554433);
    expect(v1model.table('acl.filter')).toBe(table);
    expect(v1model.table(33554433)).toBe(table);
    expect(v1model.action('ingress.deny')).toBe(v1model.action('deny'));
    expect(table.matchField('src_addr').name).toBe('hdr.ipv4.src_addr');
    expect(table.matchField(3)).toBe(table.matchField('hdr.ipv6.dst_addr'));
    expect(table.action('set_port').scope).toBe('table');
    expect(v1model.action('set_port').param('port').isString).toBe(true);
  });

  it('refuses a suffix that several objects have, with the candidates', () => {
    const error = fault(() => v1model.table('filter'));
    expect(error.code).toBe('AMBIGUOUS');
    expect(error.details.candidates).toEqual(['ingress.acl.filter', 'egress.acl.filter']);
    expect(error.message).toBe(
      "table 'filter' may be 'ingress.acl.filter' or 'egress.acl.filter'; use more of the name, or the id",
    );
  });

  it('suggests the nearest names', () => {
    const error = fault(() => v1model.table('fixd'));
    expect(error.code).toBe('NOT_FOUND');
    expect(error.message).toBe("no table 'fixd'; did you mean 'fixed'?");
    expect(error.details.suggestions).toEqual(['fixed']);
    expect(fault(() => v1model.action('set_port').param('prot')).message).toBe(
      "no parameter 'prot' of action 'ingress.set_port'; did you mean 'port'?",
    );
    expect(fault(() => psa.counter('x')).message).toBe("no counter 'x'; there are none");
    expect(fault(() => v1model.meter('zzz')).message).toBe("no meter 'zzz'; there is 'rate'");
    expect(fault(() => v1model.table(7)).message).toBe('no table with id 7');
  });

  it('gives undefined from find', () => {
    expect(v1model.findTable('nothing')).toBeUndefined();
    expect(v1model.findAction('deny')?.name).toBe('ingress.deny');
  });

  it('is not fooled by names of Object.prototype', () => {
    expect(v1model.findTable('constructor')).toBeUndefined();
    expect(v1model.findAction('__proto__')).toBeUndefined();
  });
});

describe('the model', () => {
  it('links tables, actions, profiles and direct resources', () => {
    const filter = v1model.table('acl.filter');
    expect(filter.directCounter).toBe(v1model.directCounter('hits'));
    expect(filter.directCounter?.table).toBe(filter);
    expect(filter.directMeter).toBe(v1model.directMeter('limit'));
    expect(filter.constDefaultAction).toBe(v1model.action('NoAction'));
    const balanced = v1model.table('egress.acl.filter');
    const profile = v1model.actionProfile('selector');
    expect(balanced.actionProfile).toBe(profile);
    expect(profile.tables).toEqual([balanced]);
    expect(profile.actions.map(({ action }) => action.alias)).toEqual(['set_port']);
    expect(profile.selectorSize).toEqual({ counts: 'members', maxMemberWeight: 4095 });
    expect(balanced.initialDefaultAction?.alias).toBe('set_port');
  });

  it('tells match kinds, priorities and traits of tables', () => {
    const filter = v1model.table('acl.filter');
    expect(filter.matchFields.map(({ kind }) => kind)).toEqual([
      'optional',
      'ternary',
      'lpm',
      'range',
      'exact',
    ]);
    expect(filter.needsPriority).toBe(true);
    expect(filter.supportsIdleTimeout).toBe(true);
    const balanced = v1model.table('egress.acl.filter');
    expect(balanced.matchField('meta.hash')).toMatchObject({ kind: 'other', otherKind: 'selector' });
    expect(balanced.needsPriority).toBe(false);
    expect(v1model.table('fixed').isConst).toBe(true);
  });

  it('tells which actions are of whole groups only (P4Runtime 1.6)', () => {
    const program = P4Program.parse(`
      tables { preamble { id: 1 name: "t" } implementation_id: 9
        action_refs { id: 2 } action_refs { id: 3 scope: GROUP_ACTION }
        action_refs { id: 4 scope: GROUP_ACTION } action_refs { id: 4 scope: TABLE_ONLY } }
      actions { preamble { id: 2 name: "a" } } actions { preamble { id: 3 name: "g" } } actions { preamble { id: 4 name: "x" } }
      action_profiles { preamble { id: 9 name: "p" } table_ids: 1 with_selector: true }`);
    expect(program.table('t').actions.map(({ scope }) => scope)).toEqual(['both', 'group', 'table']);
    expect(program.actionProfile('p').actions.map(({ action }) => action.name)).toEqual(['a', 'x']);
    expect(formatProgram(program)).toContain('g() [of a group only]');
    expect(program.warnings).toEqual([]);
  });

  it('resolves types', () => {
    expect(v1model.register('last_seen').dataType).toEqual({ type: 'bit<48>', bitwidth: 48 });
    expect(v1model.register('balance').dataType).toEqual({ type: 'tuple<int<16>, enum kind_t>' });
    expect(v1model.digest('learn').dataType.fields).toEqual([
      { name: 'mac', type: 'bit<48>', bitwidth: 48 },
      { name: 'port', type: 'port_id_t', bitwidth: 0 },
      { name: 'kind', type: 'enum kind_t', bitwidth: 8 },
    ]);
    expect(psa.digest('digest').dataType.fields?.[1]).toEqual({ name: 'options', type: 'varbit<320>' });
  });

  it('survives types that contain themselves', () => {
    const program = P4Program.parse(`
      registers { preamble { id: 1 name: "r" } type_spec { struct { name: "s" } } }
      registers { preamble { id: 2 name: "n" } type_spec { new_type { name: "t" } } }
      type_info {
        structs { key: "s" value { members { name: "m" type_spec { struct { name: "s" } } } } }
        new_types { key: "t" value { original_type { new_type { name: "t" } } } }
      }`);
    expect(program.register('r').dataType.type).toBe('struct s');
    expect(program.register('n').dataType.type).toBe('t');
  });

  it('reads an extern of unknown type without its content, and says so', () => {
    expect(psa.warnings).toEqual([
      {
        message: 'the type of [type.googleapis.com/example.v1.Histogram] is not known; it is left out',
        line: 83,
        column: 7,
      },
    ]);
    const [unknown, known] = psa.externs;
    expect(unknown?.info).toBeUndefined();
    expect(known?.info).toEqual({
      typeUrl: 'type.googleapis.com/p4.config.v1.P4BitTypeSpec',
      value: Uint8Array.of(8, 9),
    });
  });

  it('is the same from P4Info messages', () => {
    const again = P4Program.fromP4Info(v1model.p4info);
    expect(again.describe()).toEqual(v1model.describe());
  });
});

describe('consistency', () => {
  const table = (rest: string) => `tables { preamble { id: 1 name: "t" } ${rest} }`;

  it.each([
    [
      'one id for two tables',
      `${table('')}\n${table('').replace('"t"', '"u"')}`,
      "2:1: tables[1]: tables 't' and 'u' have the same id 1",
    ],
    [
      'one id for two objects in a list',
      'counters: [\n{ preamble { id: 1 name: "a" } },\n  { preamble { id: 1 name: "b" } }]',
      "3:3: counters[1]: counters 'a' and 'b' have the same id 1",
    ],
    [
      'one id for two keys',
      table(
        'match_fields { id: 1 name: "a" match_type: LPM } match_fields { id: 1 name: "b" match_type: LPM }',
      ),
      "1:1: tables[0]: match fields 'a' and 'b' of table 't' have the same id 1",
    ],
    ['no name', 'tables { preamble { id: 1 } }', '1:1: tables[0]: a table has no name in its preamble'],
    ['no id', 'actions { preamble { name: "a" } }', "1:1: actions[0]: action 'a' has no id (0 is none)"],
    [
      'a negative width',
      'actions { preamble { id: 1 name: "a" } params { id: 1 name: "p" bitwidth: -8 } }',
      "1:1: actions[0]: parameter 'p' of action 'a' is -8 bits wide, not 0 to 65536",
    ],
  ])('refuses %s', (_, text, message) => {
    const error = fault(() => P4Program.parse(text));
    expect(error.message).toBe(message);
    expect(error.code).toBe('INVALID');
  });

  it('names the object, without a place, in a binary', () => {
    const [first] = psa.p4info.tables;
    const bytes = P4Info.encode({ ...psa.p4info, tables: first ? [first, first] : [] }).finish();
    const error = fault(() => P4Program.parse(bytes));
    expect(error.message).toBe(
      `tables[1]: tables 'MyIC.tbl' and 'MyIC.tbl' have the same id ${first?.preamble?.id}`,
    );
    expect(error.details).toEqual({ path: 'tables[1]' });
  });

  it('leaves out actions that are not there: p4c names @hidden ones in tables, but does not tell of them', () => {
    const warnings: string[] = [];
    const text = `
      ${table('action_refs { id: 5 } action_refs { id: 6 scope: DEFAULT_ONLY } initial_default_action { action_id: 6 }')}
      actions { preamble { id: 6 name: "seen" } }`;
    const program = P4Program.parse(text, { onWarning: ({ message }) => warnings.push(message) });
    expect(warnings).toEqual(["'t' names action 5, which is not in this P4Info"]);
    expect(program.table('t').actions.map(({ action }) => action.name)).toEqual(['seen']);
    expect(fault(() => program.table('t').action(5)).code).toBe('NOT_FOUND');
  });

  it('warns of references to nothing that do no harm', () => {
    const warnings: string[] = [];
    const text = `
      ${table('implementation_id: 2 direct_resource_ids: 3 const_default_action_id: 4 match_fields { id: 1 name: "k" }')}
      counters { preamble { id: 1 name: "c" } }
      direct_counters { preamble { id: 9 name: "d" } direct_table_id: 8 }
      action_profiles { preamble { id: 10 name: "p" } table_ids: 7 }
      counters { preamble { id: 11 name: "c" } }`;
    const program = P4Program.parse(text, { onWarning: ({ message }) => warnings.push(message) });
    expect(warnings).toEqual([
      "match field 'k' of table 't' has no match kind that is known here",
      "'t' names direct resource 3, which is not in this P4Info",
      "'t' names const default action 4, which is not in this P4Info",
      "'t' names implementation 2, which is not in this P4Info",
      "'d' names table 8, which is not in this P4Info",
      "'p' names table 7, which is not in this P4Info",
      "there are two counters 'c'",
      "'t' and 'c' have the same id 1",
    ]);
    expect(program.warnings.map(({ message }) => message)).toEqual(warnings);
    expect(program.table('t').matchField('k').kind).toBe('other');
  });

  it('takes an action that a table names twice as usable in both ways', () => {
    const program = P4Program.parse(`
      ${table('action_refs { id: 2 scope: TABLE_ONLY } action_refs { id: 2 scope: DEFAULT_ONLY }')}
      actions { preamble { id: 2 name: "c.a" alias: "a" } }`);
    expect(program.table('t').actions).toEqual([{ action: program.action('a'), scope: 'both' }]);
    expect(program.table('t').action('c.a').scope).toBe('both');
  });
});

describe('formatProgram', () => {
  it('shows every kind of object', async () => {
    await expect(formatProgram(v1model)).toMatchFileSnapshot('../../fixtures/v1model.overview.txt');
    await expect(formatProgram(psa)).toMatchFileSnapshot('../../fixtures/psa.overview.txt');
  });
});
