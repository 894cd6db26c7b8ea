import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Random } from '../random.js';
import {
  crossBytes,
  growthOf,
  hostileJson,
  mutateBytes,
  mutateDer,
  mutateJson,
  mutatePem,
  mutateText,
  mutateWire,
  mutateYaml,
  Trial,
  varint,
  wireField,
  YAML_ATTACKS,
} from './index.js';

const CASES = 3_000;
const utf8 = new TextEncoder();

const json = {
  kind: 'Service',
  metadata: { name: 'web', labels: { a: 'b' } },
  spec: { ports: [{ port: 80 }, { port: 81 }] },
};
const yaml = 'kind: Service\nmetadata:\n  name: web\nspec:\n  ports:\n    - port: 80\n';
const wire = Buffer.concat([
  wireField(1, utf8.encode('name')),
  varint(16n),
  varint(300n),
  wireField(
    3,
    Buffer.concat([wireField(1, utf8.encode('inner')), wireField(2, wireField(4, Uint8Array.of(1, 2, 3)))]),
  ),
]);
const pem = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();
const der = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
  type: 'spki',
  format: 'der',
});

const mutators: readonly (readonly [string, (random: Random) => unknown, unknown])[] = [
  ['bytes', (random) => mutateBytes(random, wire), wire],
  ['crossed bytes', (random) => crossBytes(random, wire, der), wire],
  ['text', (random) => mutateText(random, yaml), yaml],
  ['YAML', (random) => mutateYaml(random, yaml), yaml],
  ['JSON', (random) => mutateJson(random, json), json],
  ['protobuf', (random) => mutateWire(random, wire), wire],
  ['PEM', (random) => mutatePem(random, pem), pem],
  ['DER', (random) => mutateDer(random, der), der],
];

describe.each(mutators)('mutating %s', (_, mutate, original) => {
  it('gives the same cases for the same seed', () => {
    const [one, other] = [new Random(3), new Random(3)];
    for (let index = 0; index < 200; index++) expect(mutate(one)).toEqual(mutate(other));
  });

  it('changes something nearly always, and each time something else', () => {
    const random = new Random(1);
    const before = show(original);
    const seen = new Set<string>();
    for (let index = 0; index < CASES; index++) seen.add(show(mutate(random)));
    expect(seen.size).toBeGreaterThan(CASES * 0.45);
    seen.delete(before);
    expect(show(original)).toBe(before);
  });
});

describe('the smallest inputs', () => {
  it.each([
    ['bytes', (random: Random) => mutateBytes(random, new Uint8Array())],
    ['text', (random: Random) => mutateText(random, '')],
    ['YAML', (random: Random) => mutateYaml(random, '')],
    ['JSON', (random: Random) => mutateJson(random, null)],
    ['protobuf', (random: Random) => mutateWire(random, new Uint8Array())],
    ['PEM', (random: Random) => mutatePem(random, '')],
    ['DER', (random: Random) => mutateDer(random, new Uint8Array())],
    ['crossed bytes', (random: Random) => crossBytes(random, new Uint8Array(), new Uint8Array())],
  ])('%s can be mutated again and again', (_, mutate) => {
    const random = new Random(2);
    for (let index = 0; index < 500; index++) expect(() => mutate(random)).not.toThrow();
  });
});

describe('structure', () => {
  it('survives most mutations of protobuf, so that they get past a reader', () => {
    const random = new Random(5);
    let whole = 0;
    for (let index = 0; index < CASES; index++) if (isWire(mutateWire(random, wire))) whole++;
    expect(whole).toBeGreaterThan(CASES / 4);
    expect(whole).toBeLessThan(CASES);
  });

  it('survives many mutations of PEM', () => {
    const random = new Random(6);
    let whole = 0;
    for (let index = 0; index < CASES; index++)
      if (/-BEGIN [^-]*-----\n[A-Za-z0-9+/=\n]*\n-----END/.test(mutatePem(random, pem))) whole++;
    expect(whole).toBeGreaterThan(CASES / 3);
  });

  it('is JSON whatever happens to JSON', () => {
    const random = new Random(7);
    for (let index = 0; index < CASES; index++)
      expect(() => JSON.stringify(mutateJson(random, hostileJson(random)))).not.toThrow();
  });

  it('of every attack is text of about the size that was asked for', () => {
    for (const [name, make] of Object.entries(YAML_ATTACKS)) {
      const { length } = make(20_000);
      expect(length, name).toBeGreaterThan(9_000);
      expect(length, name).toBeLessThan(45_000);
    }
  });
});

describe('Trial', () => {
  const trial = () => new Trial((error) => error instanceof RangeError);

  it('counts what is taken and what is refused', () => {
    const one = trial();
    expect(one.try(2, (value) => value + 1)).toBe(3);
    expect(
      one.try(2, () => {
        throw new RangeError('no');
      }),
    ).toBeUndefined();
    expect(one.measured).toMatch(/^1 taken, 1 refused, slowest [\d.]+ ms$/);
  });

  it('fails with the input for an error that is no refusal', () => {
    expect(() => trial().try(Uint8Array.of(1, 255), () => new X509Certificate('x'))).toThrow(
      /^threw .* for bytes 01ff$/,
    );
    expect(() =>
      trial().try('x'.repeat(9_000), () => {
        throw new TypeError('oh');
      }),
    ).toThrow(/^threw TypeError: oh for "x+… \(9002 characters\)$/);
  });
});

describe('growthOf', () => {
  const busy = (steps: number) => {
    let sum = 0;
    for (let step = 0; step < steps; step++) sum = (sum * 31 + step) % 1_000_003;
    return sum;
  };

  it('tells a square from a line', () => {
    expect(growthOf(2_000_000, (size) => size, busy).factor).toBeLessThan(3);
    expect(
      growthOf(
        2_000,
        (size) => size,
        (size) => busy(size * size),
      ).factor,
    ).toBeGreaterThan(3);
  });

  it('does not judge what is too fast to be measured', () => {
    expect(growthOf(1, (size) => size, busy)).toMatchObject({ factor: 1 });
  });
});

function show(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : JSON.stringify(value);
}

/** Whether the bytes could be a message. */
function isWire(bytes: Uint8Array): boolean {
  let at = 0;
  const next = () => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) return Number.NaN;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return Number.NaN;
  };
  while (at < bytes.length) {
    const tag = next();
    const type = tag % 8;
    if (type === 0) next();
    else if (type === 1) at += 8;
    else if (type === 2) {
      const length = next();
      at += length;
    } else if (type === 5) at += 4;
    else return false;
    if (!(at <= bytes.length)) return false;
  }
  return true;
}
