import { describe, expect, it } from 'vitest';
import { P4Program } from './program.js';

const program = P4Program.parse(`
  tables {
    preamble {
      id: 1 name: "c.nexthops" alias: "nexthops" annotations: "@sai_acl(INGRESS)"
      doc { brief: "Next hops." description: "By id." }
      structured_annotations { name: "limits" kv_pair_list { kv_pairs { key: "max" value { int64_value: -9223372036854775808 } } kv_pairs { key: "soft" value { bool_value: true } } } }
      structured_annotations { name: "list" expression_list { expressions { string_value: "a" } expressions { } } }
      structured_annotations { name: "empty" }
    }
    match_fields {
      id: 1 name: "id" bitwidth: 16 match_type: EXACT doc { brief: "Its id." }
      annotations: "@format(HEX)"
      annotations: "@refers_to(neighbors , id)"
      annotations: "@refers_to(builtin : : multicast_group_table , group_id)"
    }
    action_refs { id: 2 }
  }
  actions {
    preamble { id: 2 name: "c.set" alias: "set" doc { description: "Sets it." } }
    params { id: 1 name: "neighbor" bitwidth: 16 annotations: "@refers_to(c.neighbors,id)" doc { description: "Whom." } }
    params { id: 2 name: "port" bitwidth: 9 annotations: "@refers_to(one)" annotations: "@not_refers_to(a, b)" }
  }
  controller_packet_metadata { preamble { id: 3 name: "packet_in" } metadata { id: 1 name: "port" bitwidth: 9 annotations: "@x" } }
`);

describe('the model', () => {
  const table = program.table('nexthops');

  it('has documentation', () => {
    expect(table).toMatchObject({ brief: 'Next hops.', description: 'By id.' });
    expect(table.matchField('id')).toMatchObject({ brief: 'Its id.', description: '' });
    const action = program.action('set');
    expect(action).toMatchObject({ brief: '', description: 'Sets it.' });
    expect(action.param('neighbor')).toMatchObject({ brief: '', description: 'Whom.' });
  });

  it('has annotations, structured ones as values', () => {
    expect(table.annotations).toEqual(['@sai_acl(INGRESS)']);
    expect(table.structuredAnnotations).toEqual([
      {
        name: 'limits',
        values: [],
        pairs: new Map<string, unknown>([
          ['max', -(2n ** 63n)],
          ['soft', true],
        ]),
      },
      { name: 'list', values: ['a', ''], pairs: new Map() },
      { name: 'empty', values: [], pairs: new Map() },
    ]);
    expect(program.packetHeader('packet_in').fields[0]).toMatchObject({ annotations: ['@x'], brief: '' });
  });

  it('has what keys and parameters refer to', () => {
    expect(table.matchField('id').refersTo).toEqual([
      { table: 'neighbors', field: 'id' },
      { table: 'builtin::multicast_group_table', field: 'group_id' },
    ]);
    expect(program.action('set').param('neighbor').refersTo).toEqual([{ table: 'c.neighbors', field: 'id' }]);
    expect(program.action('set').param('port').refersTo).toEqual([]);
  });
});
