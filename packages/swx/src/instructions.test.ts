import { describe, expect, it } from 'vitest';
import { METER_LIMIT } from './runtime/meters.js';
import { A_BYTES, aField, aPacket, Bench, miniSpec, run } from './testing/mini.js';

describe('mov', () => {
  it('cuts to a narrower and zero-extends to a wider target, between headers and metadata', () => {
    expect(run('mov h.a.f8 h.a.f32', 'f8', { f32: 0xaabbccddn })).toBe(0xddn);
    expect(run('mov h.a.f64 h.a.f8', 'f64', { f8: 0xfen, f64: 0xffffffffffffffffn })).toBe(0xfen);
    expect(run('mov m.m24 h.a.f48\n mov h.a.f32 m.m24', 'f32', { f48: 0x112233445566n })).toBe(0x445566n);
    expect(run('mov m.m64 h.a.f40\n mov h.a.f48 m.m64', 'f48', { f40: 0xff00112233n })).toBe(0xff00112233n);
    expect(run('mov h.a.f40 h.a.f24', 'f40', { f24: 0x800001n, f40: 0xffffffffffn })).toBe(0x800001n);
  });

  it('takes immediates of up to 64 bits, decimal, hexadecimal and octal', () => {
    expect(run('mov h.a.f64 0xFEDCBA9876543210', 'f64')).toBe(0xfedcba9876543210n);
    expect(run('mov m.m64 18446744073709551615\n mov h.a.f64 m.m64', 'f64')).toBe(0xffffffffffffffffn);
    expect(run('mov h.a.f16 017', 'f16')).toBe(15n);
    expect(run('mov h.a.f16 0x12345', 'f16')).toBe(0x2345n);
  });

  it('copies fields of more than 64 bits', () => {
    const f128 = 0x20010db8000000000000ff00004283290n & ((1n << 128n) - 1n);
    expect(run('mov m.m128 h.a.f128\n mov h.a.f128 h.a.f8\n mov h.a.f128 m.m128', 'f128', { f128 })).toBe(
      f128,
    );
    expect(run('mov m.m128 h.a.f128\n mov h.a.f64 m.m128', 'f64', { f128 })).toBe(f128 & 0xffffffffffffffffn);
    expect(run('mov h.a.f128 h.a.f32', 'f128', { f32: 0x0a000001n, f128 })).toBe(0x0a000001n);
  });

  it('movh moves the upper halves', () => {
    const f128 = (0x1111222233334444n << 64n) | 0x5555666677778888n;
    expect(run('mov m.m128 h.a.f128\n movh h.a.f64 m.m128', 'f64', { f128 })).toBe(0x1111222233334444n);
    expect(run('movh h.a.f128 h.a.f64', 'f128', { f128, f64: 0xabcdn })).toBe(
      (0xabcdn << 64n) | 0x5555666677778888n,
    );
  });
});

describe('arithmetic', () => {
  it.each([
    ['add h.a.f8 0xFF', 'f8', 0n, 255n],
    ['add h.a.f8 1', 'f8', 255n, 0n],
    ['add h.a.f32 1', 'f32', 0xffffffffn, 0n],
    ['add h.a.f48 1', 'f48', 0xffffffffn, 0x100000000n],
    ['add h.a.f64 0xFFFFFFFFFFFFFFFF', 'f64', 5n, 4n],
    ['add h.a.f64 0xFFFFFFFF', 'f64', 0xffffffffn, 0x1fffffffen],
    ['sub h.a.f16 1', 'f16', 0n, 0xffffn],
    ['sub h.a.f64 1', 'f64', 0x100000000n, 0xffffffffn],
    ['sub h.a.f64 1', 'f64', 0n, 0xffffffffffffffffn],
    ['and h.a.f64 0xF0F0F0F0F0F0F0F0', 'f64', 0xffff0000ffff0000n, 0xf0f00000f0f00000n],
    ['and h.a.f64 0xFF', 'f64', 0xffffffffffffffffn, 0xffn],
    ['or h.a.f8 0x180', 'f8', 1n, 0x81n],
    ['xor h.a.f40 0xFF00000001', 'f40', 0xffn, 0xff000000fen],
    ['shl h.a.f8 4', 'f8', 0xffn, 0xf0n],
    ['shl h.a.f64 36', 'f64', 0x12345678n, 0x2345678000000000n],
    ['shl h.a.f64 32', 'f64', 0x12345678n, 0x1234567800000000n],
    ['shl h.a.f32 32', 'f32', 1n, 0n],
    ['shr h.a.f64 4', 'f64', 0xfedcba9876543210n, 0x0fedcba987654321n],
    ['shr h.a.f64 60', 'f64', 0xfedcba9876543210n, 0xfn],
    ['shr h.a.f48 40', 'f48', 0xfedcba987654n, 0xfen],
    ['shr h.a.f32 0', 'f32', 0x80000000n, 0x80000000n],
  ] as const)('%s', (text, field, before, after) => {
    expect(run(text, field, { [field]: before })).toBe(after);
    const meta = { f8: 'm8', f16: 'm16', f32: 'm32', f40: '', f48: 'm48', f64: 'm64', f128: 'm128' }[field];
    if (meta === '') return;
    const viaMetadata = `mov m.${meta} h.a.${field}\n${text.replace(`h.a.${field}`, `m.${meta}`)}\nmov h.a.${field} m.${meta}`;
    expect(run(viaMetadata, field, { [field]: before })).toBe(after);
  });

  it('shifts by the low six bits of the count', () => {
    expect(run('shl h.a.f32 65', 'f32', { f32: 3n })).toBe(6n);
  });
});

describe('jumps', () => {
  const taken = (condition: string, values = {}): boolean =>
    run(`mov m.m8 0\n${condition}\nmov m.m8 1\nL : mov h.a.f8 m.m8\ninvalidate h.n`, 'f8', values) === 0n;

  it('compare unsigned, across widths', () => {
    expect(taken('jmpeq L h.a.f8 h.a.f64', { f8: 5n, f64: 5n })).toBe(true);
    expect(taken('jmpeq L h.a.f8 h.a.f64', { f8: 5n, f64: 0x100000005n })).toBe(false);
    expect(taken('jmpneq L h.a.f48 h.a.f32', { f48: 0xffffffffffffn, f32: 0xffffffffn })).toBe(true);
    expect(taken('jmplt L h.a.f32 0x80000000', { f32: 0x7fffffffn })).toBe(true);
    expect(taken('jmpgt L h.a.f32 1', { f32: 0xffffffffn })).toBe(true);
    expect(taken('jmpgt L h.a.f64 0xFFFFFFFF', { f64: 0x100000000n })).toBe(true);
    expect(taken('jmplt L h.a.f64 h.a.f32', { f64: 0x80000000n, f32: 0x80000001n })).toBe(true);
    expect(taken('jmplt L h.a.f8 h.a.f8', { f8: 9n })).toBe(false);
  });

  it('take a number first, as p4c writes where the program has it first', () => {
    expect(taken('mov m.m32 1\njmpneq L 0x0 m.m32')).toBe(true);
    expect(taken('mov m.m32 0\njmpneq L 0x0 m.m32')).toBe(false);
    expect(taken('jmpgt L 0x64 h.a.f16', { f16: 0x63n })).toBe(true);
    expect(taken('jmpgt L 0x64 h.a.f16', { f16: 0x64n })).toBe(false);
    expect(taken('jmplt L 0x64 h.a.f16', { f16: 0x65n })).toBe(true);
    expect(taken('jmpeq L 0x1FF h.a.f8', { f8: 0xffn })).toBe(true);
    expect(taken('jmpeq L 0 0')).toBe(true);
  });

  it('cut an immediate to the width of a header field, as DPDK does, but not to that of metadata', () => {
    expect(taken('jmpeq L h.a.f8 0x1FF', { f8: 0xffn })).toBe(true);
    expect(taken('mov m.m8 0xFF\njmpeq L m.m8 0x1FF')).toBe(false);
  });

  it('ask for valid headers', () => {
    expect(taken('jmpv L h.a')).toBe(true);
    expect(taken('jmpnv L h.n')).toBe(true);
    expect(taken('validate h.n\njmpnv L h.n')).toBe(false);
    expect(taken('invalidate h.a\nvalidate h.a\njmpv L h.a')).toBe(true);
  });

  it('go back, too', () => {
    const loop =
      'mov m.m8 5\nmov m.m32 0\nAGAIN : add m.m32 m.m8\nsub m.m8 1\njmpneq AGAIN m.m8 0\nmov h.a.f32 m.m32';
    expect(run(loop, 'f32')).toBe(15n);
  });

  it('that never end give the packet up', () => {
    const bench = new Bench(miniSpec('AGAIN : add m.m8 1\njmp AGAIN'));
    expect(bench.send(aPacket())).toEqual([]);
    expect(bench.pipeline.stats.malformed).toBe(1);
  });

  it('cross the borders of generated functions in long programs', () => {
    const body = Array.from({ length: 1600 }, (_, i) => `L${i} : add m.m32 1`).join('\n');
    expect(run(`jmp L0\n${body}\nmov h.a.f32 m.m32`, 'f32')).toBe(1600n);
    expect(run(`jmp L1100\n${body}\nmov h.a.f32 m.m32`, 'f32')).toBe(500n);
    expect(
      run(`jmpgt L1590 m.m32 2000\n${body}\nadd m.m32 1\njmplt L300 m.m32 2000\nmov h.a.f32 m.m32`, 'f32'),
    ).toBe(2902n);
  });
});

describe('headers', () => {
  it('are zero when validated without being extracted, and are emitted in the order of emit', () => {
    const bench = new Bench(miniSpec('validate h.n\nmov h.n.y 0xABCD'));
    const { packet } = bench.one(aPacket({ f8: 9n }, [1, 2, 3]));
    expect([...packet.subarray(0, 16)]).toEqual([0, 0, 0xab, 0xcd, ...new Array(12).fill(0)]);
    expect(aField(packet, 'f8', 16)).toBe(9n);
    expect([...packet.subarray(16 + A_BYTES)]).toEqual([1, 2, 3]);
    // The next packet finds no trace of the last one.
    expect([...bench.one(aPacket()).packet.subarray(0, 4)]).toEqual([0, 0, 0xab, 0xcd]);
  });

  it('are left out when invalid', () => {
    const { packet } = new Bench(miniSpec('invalidate h.a')).one(aPacket({}, [1, 2, 3]));
    expect([...packet]).toEqual([1, 2, 3]);
  });

  it('keep the length of a truncated packet; the missing bytes read as zero', () => {
    const bench = new Bench(miniSpec('mov h.a.f8 h.a.f64'));
    const long = aPacket({ f64: 0xffn }, new Array(100).fill(0xee));
    bench.one(long);
    const { packet } = bench.one(long.subarray(0, 5));
    expect(packet.length).toBe(5);
    expect(packet[0]).toBe(0);
    expect(bench.one(new Uint8Array([7])).packet.length).toBe(1);
  });

  it('that are missing cannot make a packet', () => {
    const bench = new Bench(miniSpec('invalidate h.a'));
    expect(bench.send(new Uint8Array(5))).toEqual([]);
    expect(bench.pipeline.stats.malformed).toBe(1);
  });

  it('do not move the packet when they are written after emit', () => {
    const bench = new Bench(miniSpec('emit h.a\nmov h.a.f8 0x55\ninvalidate h.a'));
    expect(aField(bench.one(aPacket()).packet, 'f8')).toBe(0x55n);
  });

  it('look ahead without moving on', () => {
    const spec = miniSpec('').replace(
      'extract h.a',
      'lookahead h.n\nextract h.a\nmov h.a.f24 h.n.x\ninvalidate h.n',
    );
    const { packet } = new Bench(spec).one(aPacket({ f8: 0x11n, f16: 0x2233n }));
    expect(packet.length).toBe(A_BYTES + 2);
    expect(aField(packet, 'f24')).toBe(0x1122n);
  });

  it('end with a varbit field of a size that the packet tells', () => {
    const spec = `
struct v_t {
	bit<8> size
	varbit<320> options
}
struct meta_t {
	bit<32> port
	bit<32> size
}
struct size_t {
	bit<8> size
}
header peek instanceof size_t
header v instanceof v_t
metadata instanceof meta_t
apply {
	rx m.port
	lookahead h.peek
	mov m.size h.peek.size
	extract h.v m.size
	mov h.v.size 0xFF
	emit h.v
	tx m.port
}`;
    const bench = new Bench(spec);
    expect([...bench.one(new Uint8Array([3, 1, 2, 3, 9])).packet]).toEqual([255, 1, 2, 3, 9]);
    expect([...bench.one(new Uint8Array([9, 1])).packet]).toEqual([255, 1]);
    const huge = spec.replace('mov m.size h.peek.size', 'mov m.size 0xFFFFFFF0');
    const lost = new Bench(huge);
    expect(lost.send(new Uint8Array([3, 1]))).toEqual([]);
    expect(lost.pipeline.stats.malformed).toBe(1);
  });
});

describe('tx', () => {
  it('takes a field or a number, and ends the packet', () => {
    expect(new Bench(miniSpec('')).one(aPacket(), 3).port).toBe(3);
    expect(new Bench(miniSpec('emit h.a\ntx 9')).one(aPacket()).port).toBe(9);
    expect(new Bench(miniSpec('mov m.m32 0xFFFFFFFF\nmov m.out m.m32')).one(aPacket()).port).toBe(0xffffffff);
  });

  it('drop sends nothing', () => {
    const bench = new Bench(miniSpec('drop'));
    expect(bench.send(aPacket())).toEqual([]);
    expect(bench.pipeline.stats).toMatchObject({ received: 1, dropped: 1, transmitted: 0 });
  });

  it('may stand in an action, which then ends the packet', () => {
    const declarations = `
action gone args none {
	drop
	return
}
table t {
	key {
	}
	actions {
		gone
	}
	default_action gone args none const
	size 1
}`;
    expect(new Bench(miniSpec('table t', declarations)).send(aPacket())).toEqual([]);
  });

  it('mirrors copies to sessions, cut to their length', () => {
    const bench = new Bench(miniSpec('mov m.m8 2\nmov m.m16 5\nmirror m.m8 m.m16'));
    bench.pipeline.mirrorSet(5, { port: 99, truncateBytes: 4 });
    const packets = bench.send(aPacket({ f8: 1n }));
    expect(packets.map(({ port, packet }) => [port, packet.length])).toEqual([
      [99, 4],
      [7, A_BYTES + 2],
    ]);
    bench.pipeline.mirrorSet(5, undefined);
    expect(bench.send(aPacket())).toHaveLength(1);
  });

  it('recirculates: metadata stays, headers are parsed again, passes are counted', () => {
    const bench = new Bench(
      miniSpec(
        'recircid m.m8\nadd m.m16 1\nadd h.a.f8 1\njmpgt END m.m8 2\nrecirculate\nEND : mov h.a.f16 m.m16',
      ),
    );
    const { packet, port } = bench.one(aPacket(), 4);
    expect(port).toBe(4);
    expect(aField(packet, 'f8')).toBe(4n);
    expect(aField(packet, 'f16')).toBe(4n);
    expect(packet.length).toBe(A_BYTES + 2);
  });

  it('drops a packet that is recirculated for ever', () => {
    const bench = new Bench(miniSpec('validate h.n\nrecirculate'));
    expect(bench.send(aPacket())).toEqual([]);
    expect(bench.pipeline.stats.dropped).toBe(1);
  });
});

describe('registers', () => {
  const registers = 'regarray r size 5 initval 0x1FFFFFFFF';

  it('hold 64 bits and wrap around, indexes too', () => {
    const bench = new Bench(miniSpec('regadd r h.a.f8 h.a.f64\nregrd h.a.f64 r h.a.f8', registers));
    expect(aField(bench.one(aPacket({ f8: 1n, f64: 1n })).packet, 'f64')).toBe(0x200000000n);
    expect(aField(bench.one(aPacket({ f8: 9n, f64: 0xffffffffffffffffn })).packet, 'f64')).toBe(0x1ffffffffn);
    expect(bench.pipeline.registerRead('r', 1)).toBe(0x1ffffffffn);
    bench.pipeline.registerWrite('r', 1, 0xffffffffffffffffn);
    expect(aField(bench.one(aPacket({ f8: 1n, f64: 2n })).packet, 'f64')).toBe(1n);
  });

  it('are written by regwr, prefetched without effect', () => {
    const body = 'regprefetch r 3\nregwr r 3 h.a.f48\nregadd r 3 0xFF\nregrd m.m64 r 3\nmov h.a.f64 m.m64';
    expect(run(body, 'f64', { f48: 0xabcdef012345n }, registers)).toBe(0xabcdef012444n);
  });

  it('refuse indexes outside the array', () => {
    const { pipeline } = new Bench(miniSpec('', registers));
    expect(() => pipeline.registerRead('r', 8)).toThrow(/index 8 is not one of 0 … 7/);
    expect(() => pipeline.registerRead('q', 0)).toThrow(/no regarray 'q'; there is 'r'/);
    expect(() => pipeline.registerWrite('r', 0, 1n << 64n)).toThrow(/does not fit 64 bits/);
  });
});

describe('meters', () => {
  const meters = 'metarray m size 4';
  const body = 'metprefetch m 1\nmeter m 1 h.a.f16 h.a.f8 m.m32\nmov h.a.f32 m.m32';

  it('colour by two rates, and never better than the colour that came in', () => {
    const bench = new Bench(miniSpec(body, meters));
    const color = (bytes: bigint, colorIn = 0n): bigint =>
      aField(bench.one(aPacket({ f16: bytes, f8: colorIn })).packet, 'f32');
    expect(color(1000n)).toBe(0n);
    bench.pipeline.meterSet('m', 1, { cir: 1000n, cbs: 1000n, pir: 2000n, pbs: 2000n });
    expect([color(1000n), color(1000n), color(1000n)]).toEqual([0n, 1n, 2n]);
    bench.now += 1000;
    expect([color(500n, 1n), color(1000n), color(500n, 2n)]).toEqual([1n, 0n, 2n]);
    expect(bench.pipeline.meterStats('m', 1)).toMatchObject({
      green: { packets: 3, bytes: 3000 },
      red: { packets: 2 },
    });
    // Another profile, or none, leaves the counts alone.
    bench.pipeline.meterSet('m', 1, undefined);
    expect(color(500n, 2n)).toBe(0n);
    expect(bench.pipeline.meterStats('m', 1).green).toEqual({ packets: 4, bytes: 3500 });
    bench.pipeline.meterClear('m', 1);
    expect(bench.pipeline.meterStats('m', 1).green).toEqual({ packets: 0, bytes: 0 });
  });

  it('take a number for the length, as p4c writes for direct meters', () => {
    const bench = new Bench(miniSpec('meter m 1 0x400 h.a.f8 m.m32\nmov h.a.f32 m.m32', meters));
    bench.pipeline.meterSet('m', 1, { cir: 1000n, cbs: 1024n, pir: 2000n, pbs: 2048n });
    const color = (): bigint => aField(bench.one(aPacket()).packet, 'f32');
    expect([color(), color(), color()]).toEqual([0n, 1n, 2n]);
    expect(bench.pipeline.meterStats('m', 1).green).toMatchObject({ bytes: 1024 });
  });

  it('refuse a profile that is none', () => {
    const { pipeline } = new Bench(miniSpec(body, meters));
    const good = { cir: 5n, cbs: 1n, pir: 5n, pbs: METER_LIMIT };
    pipeline.meterSet('m', 1, good);
    for (const bad of [{ cir: 0n }, { cbs: 0n }, { pir: 4n }, { pbs: 0n }, { pbs: METER_LIMIT + 1n }])
      expect(() => pipeline.meterSet('m', 1, { ...good, ...bad })).toThrow(/a profile needs/);
    expect(() => pipeline.meterSet('m', 4, good)).toThrow(/index 4 is not one of 0 … 3/);
  });
});

describe('a packet', () => {
  it.each([
    ['a port that is none', [Number.NaN, new Uint8Array(64)], /the port is NaN, not an integer from 0 to/],
    ['a port below 0', [-1, new Uint8Array(64)], /the port is -1,/],
    ['a port of more than 32 bits', [2 ** 32, new Uint8Array(64)], /the port is 4294967296,/],
    ['a port in between', [0.5, new Uint8Array(64)], /the port is 0.5,/],
    ['nothing', [0, null], /the packet must be a Uint8Array, not null/],
    ['nothing, of some length', [0, undefined, 3], /the packet must be a Uint8Array, not undefined/],
    ['text', [0, 'abc'], /not string/],
    ['a list', [0, [1, 2, 3]], /not object/],
    ['too great a length', [0, new Uint8Array(3), 4], /the length of the packet is 4, not one of 0 … 3/],
  ])('is not %s', (_, args, message) => {
    const { pipeline } = new Bench(miniSpec('mov h.a.f8 5'));
    for (const run of [pipeline.process, ...(args.length === 2 ? [pipeline.trace] : [])]) {
      expect(() => Reflect.apply(run, pipeline, args)).toThrow(message);
    }
    expect(pipeline.stats.received).toBe(0);
    pipeline.process(2 ** 32 - 1, aPacket());
    expect(pipeline.stats.received).toBe(1);
  });
});
