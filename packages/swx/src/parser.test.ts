import { thrown } from '@infra-offload/base/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SwxError } from './errors.js';
import { parseSpec } from './parser/parse.js';
import { SwxPipeline } from './pipeline.js';
import { k8sSpec } from './testing/k8s.js';
import { aField, aPacket, Bench, miniSpec } from './testing/mini.js';

const failure = (text: string) => thrown(SwxError, () => parseSpec(text, { file: 'x.spec' }));

describe('lexing', () => {
  it('takes comments of all three kinds, CRLF, blank lines, tabs, and a byte order mark', () => {
    const text = miniSpec('# a comment\n;another\n\t// and another\nmov h.a.f8 5 ; at the end\n\n');
    expect(aField(new Bench(text.replaceAll('\n', '\r\n')).one(aPacket()).packet, 'f8')).toBe(5n);
    expect(parseSpec(`\uFEFF${text}`).apply).toHaveLength(7);
    expect(parseSpec(text.replaceAll('\n', '\r')).apply).toHaveLength(7);
  });

  it('does not take comment characters inside a token for a comment', () => {
    expect(
      parseSpec(miniSpec('L#1 : mov h.a.f8 5\njmp L#1')).apply.find(({ label }) => label !== undefined)
        ?.label,
    ).toBe('L#1');
  });

  it('accepts a label on a line of its own', () => {
    expect(
      aField(new Bench(miniSpec('jmp L\nmov h.a.f8 1\nL :\nadd h.a.f8 2')).one(aPacket()).packet, 'f8'),
    ).toBe(2n);
  });
});

it('takes nothing but text', () => {
  for (const text of [null, undefined, 5, new Uint8Array()]) {
    expect(() => Reflect.apply(parseSpec, undefined, [text])).toThrow(
      expect.objectContaining({ name: 'SwxError', code: 'INVALID_VALUE' }),
    );
  }
});

describe('the AST', () => {
  it('has all of k8s_dp', () => {
    const spec = k8sSpec();
    expect([spec.tables.size, spec.learners.size, spec.selectors.size, spec.actions.size]).toEqual([
      16, 4, 1, 43,
    ]);
    expect(spec.learners.get('conntrack')).toMatchObject({
      size: 0x100000,
      timeouts: [5, 120, 60, 86400, 3600, 3600, 120, 10, 30, 120, 30, 30, 210],
    });
    expect(spec.tables.get('policy_port')?.key.map(({ text, match }) => [text, match])).toEqual([
      ['m.local_metadata_policy_id', 'exact'],
      ['m.local_metadata_ct_proto', 'wildcard'],
      ['m.local_metadata_rule_port', 'wildcard'],
    ]);
    expect(spec.learners.get('conntrack')?.actions).toEqual([
      { name: 'ct_reply', forEntries: true, forDefault: false },
      { name: 'ct_original', forEntries: true, forDefault: false },
      { name: 'ct_miss', forEntries: false, forDefault: true },
    ]);
    expect(spec.tables.get('service')?.defaultAction).toEqual({ name: 'NoAction', args: [], isConst: true });
    expect(spec.registers.get('drop_counter_0')).toMatchObject({ size: 256, initial: 0n });
  });

  it('takes what p4c writes at times: empty structs, bool, action_selector, a comment between label and instruction', () => {
    const declarations = `struct EMPTY {
}
;oldname:a_very_long_name
struct b_t {
	bool flag
}
header b instanceof b_t
action NoAction args none {
	return
}
table t {
	actions {
		NoAction
	}
	default_action NoAction args none
	action_selector as
	size 0x10000
}`;
    const body =
      'validate h.b\nmov h.b.flag 1\nmov h.a.f8 h.b.flag\ntable t\nLABEL_END_1 :\t;oldname:x\nadd h.a.f8 1';
    expect(aField(new Bench(miniSpec(body, declarations)).one(aPacket()).packet, 'f8')).toBe(2n);
  });

  it('serves several pipelines', () => {
    const spec = k8sSpec();
    const outputs: number[] = [];
    const make = (n: number) => new SwxPipeline(spec, { onTransmit: () => outputs.push(n) });
    const [first, second] = [make(1), make(2)];
    first.tableSet('port_table', { key: [{ value: 1 }], action: 'set_uplink_port', args: [] });
    first.process(1, new Uint8Array(60));
    second.process(1, new Uint8Array(60));
    expect(outputs).toEqual([1]);
  });

  it('takes the other declarations of SWX', () => {
    const spec = parseSpec(
      miniSpec(
        'table t',
        `extobj crypto instanceof ipsec pragma fast
rss balance
metarray limits size 0x10
struct arg_t {
	bit<128> address
	bit<16> port
}
action set args instanceof arg_t {
	mov h.a.f128 t.address
	mov h.a.f16 t.port
	return
}
table t {
	key {
		h.a.f8 exact
	}
	actions {
		set
	}
	default_action set args address 0x20010db8000000000000000000000001 port 0x50 const
	instanceof exact_match
	pragma none
	hash crc32
	size 0x10
}`,
      ),
    );
    expect(spec.externs.get('crypto')).toMatchObject({ type: 'ipsec', pragma: 'fast' });
    const address = 0x20010db8000000000000000000000001n;
    expect(spec.tables.get('t')?.defaultAction).toEqual({ name: 'set', args: [address, 80n], isConst: true });
    const out: Uint8Array[] = [];
    new SwxPipeline(spec, { onTransmit: (_, packet) => out.push(packet.slice()) }).process(0, aPacket());
    expect(aField(out[0] ?? new Uint8Array(), 'f128')).toBe(address);
  });

  it('limits the size of register arrays', () => {
    expect(parseSpec(miniSpec('', 'regarray r size 0x4000000 initval 1')).registers.size).toBe(1);
    const message = /expected a size from 1 to 67108864, got '0x4000001'/;
    expect(() => parseSpec(miniSpec('', 'regarray r size 0x4000001 initval 1'))).toThrow(message);
  });

  it('parses externs, and says that the engine has none', () => {
    const spec = parseSpec(
      miniSpec('mov e.crypto.x h.a.f8\nextern e.crypto.run', 'extobj crypto instanceof ipsec'),
    );
    expect(() => new SwxPipeline(spec, { onTransmit: () => {} })).toThrow(
      /<spec>:\d+: 'e.crypto.x': this engine has no externs/,
    );
  });
});

describe('errors', () => {
  it.each([
    [
      'an unknown instruction',
      miniSpec('move h.a.f8 1'),
      'NOT_FOUND',
      /x.spec:38: no instruction 'move'; did you mean 'mov'/,
    ],
    [
      'an instruction of another kind',
      miniSpec('multiply'),
      'NOT_FOUND',
      /no instruction 'multiply'; there are /,
    ],
    [
      'a control character',
      miniSpec('mov\u0000 h.a.f8 1'),
      'SYNTAX',
      /x.spec:38: expected printable characters .*, got 'mov\\x00'$/,
    ],
    [
      'an unknown header field',
      miniSpec('mov h.a.f9 1'),
      'NOT_FOUND',
      /x.spec:38: 'h.a.f9': no field in struct a_t 'f9'; did you mean 'f8'/,
    ],
    ['an unknown header', miniSpec('validate h.b'), 'NOT_FOUND', /no header 'b'; there are 'a', 'n'/],
    ['an unknown label', miniSpec('jmp END'), 'NOT_FOUND', /no label 'END'; there are none/],
    ['an unknown table', miniSpec('table t'), 'NOT_FOUND', /no table, selector or learner 't'/],
    [
      'a label twice',
      miniSpec('L : mov m.m8 1\nL : mov m.m8 2'),
      'SEMANTIC',
      /label 'L' is on line 38 already/,
    ],
    [
      'a missing operand',
      miniSpec('mov h.a.f8'),
      'SYNTAX',
      /expected 'mov <target> <source>', got 'mov h.a.f8'/,
    ],
    ['a bad number', miniSpec('mov h.a.f8 0xZZ'), 'SYNTAX', /or a number, got '0xZZ'/],
    ['a parameter in apply', miniSpec('mov h.a.f8 t.x'), 'SEMANTIC', /only actions have parameters/],
    ['writing to a number', miniSpec('mov 5 h.a.f8'), 'SYNTAX', /expected a field/],
    ['learn outside an action', miniSpec('learn x m.m8'), 'SEMANTIC', /'learn' is possible in actions only/],
    [
      'a field width',
      miniSpec('').replace('bit<8> f8', 'bit<9> f8'),
      'SYNTAX',
      /x.spec:3: expected a width that is a multiple of 8.*got '9'/,
    ],
    [
      'a struct twice',
      miniSpec('').replace('struct n_t', 'struct a_t'),
      'SEMANTIC',
      /struct 'a_t' is on line 2 already/,
    ],
    [
      'a field after varbit',
      'struct s {\nvarbit<8> a\nbit<8> b\n}',
      'SEMANTIC',
      /no field may follow the varbit field 'a'/,
    ],
    ['an unknown declaration', 'tabel t {\n}', 'SYNTAX', /x.spec:1: expected a declaration \(struct, header/],
    ['an open block', 'struct s {\nbit<8> a\n', 'SYNTAX', /expected '}' to close 'struct s {' of line 1/],
    ['a brace too many', '}', 'SYNTAX', /no block is open here/],
    ['no metadata', 'apply {\nrx m.x\n}', 'SEMANTIC', /no 'metadata instanceof/],
    ['nothing at all', '', 'SEMANTIC', /no 'metadata/],
    [
      'no apply',
      'struct m_t {\nbit<8> a\n}\nmetadata instanceof m_t\n',
      'SYNTAX',
      /x.spec:5: expected an 'apply {' block/,
    ],
    ['rx in the middle', miniSpec('rx m.port'), 'SEMANTIC', /'rx' is possible at the start of 'apply' only/],
    [
      'no tx at the end',
      miniSpec('', '', '\tmov m.m8 1'),
      'SEMANTIC',
      /'apply' must end with 'tx', 'drop' or 'jmp'/,
    ],
    [
      'a checksum of the wrong width',
      miniSpec('ckadd h.a.f32 h.a.f8'),
      'SEMANTIC',
      /is 32 bits wide; a checksum has 16/,
    ],
    ['a hash over two headers', miniSpec('hash crc32 m.m32 h.a.f8 h.n.x'), 'SEMANTIC', /not a run of fields/],
    [
      'an unknown hash',
      miniSpec('hash md5 m.m32 h.a.f8 h.a.f8'),
      'NOT_FOUND',
      /no hash function 'md5'; there are 'jhash', 'crc32'/,
    ],
    ['a long name', miniSpec(`jmp ${'x'.repeat(64)}`), 'SYNTAX', /names are at most 63 characters/],
    [
      'an action without end',
      miniSpec('', 'action a args none {\nmov m.m8 1\n}'),
      'SEMANTIC',
      /has neither 'return' nor/,
    ],
  ] as const)('%s', (_what, text, code, message) => {
    const error = failure(text);
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
    expect(error.details.line).toBeGreaterThan(0);
    expect(error.details.file).toBe('x.spec');
  });

  it('accepts operands longer than a name: they join the names of a header and a field', () => {
    const name = 'n'.repeat(60);
    const declarations = `struct ${name} {\n\tbit<16> ${name}\n}\nheader ${name} instanceof ${name}`;
    expect(() => parseSpec(miniSpec(`mov h.${name}.${name} 1`, declarations))).not.toThrow();
  });

  it.each([
    ['default_action b args none', 'marked @tableonly'],
    ['default_action c args none', "no action 'c'"],
    ['default_action a args x 1', 'expected the arguments of'],
    ['default_action a', 'expected'],
    ['', "lacks 'default_action'"],
    ['default_action a args none\nsize 1\nsize 2', "has a 'size' already"],
    ['default_action a args none\ncolour 1', 'expected key, actions, default_action'],
  ])('in tables: %s', (line, message) => {
    const actions = 'action a args none {\nreturn\n}\naction b args none {\nreturn\n}';
    const text = miniSpec(
      'table t',
      `${actions}\ntable t {\nkey {\nh.a.f8 exact\n}\nactions {\na\nb @tableonly\n}\n${line}\n}`,
    );
    expect(failure(text).message).toContain(message);
  });

  it('never are anything but SwxError, whatever the text', () => {
    const word = fc.constantFrom(
      'struct',
      'header',
      'table',
      'action',
      'apply',
      '{',
      '}',
      'args',
      'none',
      'instanceof',
      'h.a.f8',
      'm.m8',
      'mov',
      'jmp',
      ':',
      'x',
      '5',
      '\n',
      '\n',
      'key',
      'exact',
      'learner',
      'selector',
      'size',
      'bit<8>',
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 40 }), (words) => {
        for (const text of [words.join(' '), miniSpec(words.join(' ')), miniSpec('', words.join(' '))]) {
          try {
            parseSpec(text);
          } catch (error) {
            expect(SwxError.is(error)).toBe(true);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
