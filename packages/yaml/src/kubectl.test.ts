import { describe, expect, it } from 'vitest';
import { readDocuments } from './documents.js';
import { YamlError } from './error.js';
import { MANIFEST_LIMITS } from './limits.js';
import { KUBECTL_READS, KUBECTL_REFUSES } from './testing/kubectl-readings.js';

const HEAD = 'apiVersion: example.com/v1\nkind: Example\nmetadata: {name: a}\n';

const read = (text: string) =>
  [...readDocuments(text, { limits: MANIFEST_LIMITS })].map(({ value }) => value);
const readSpec = (text: string) => {
  const [object] = read(`${HEAD}spec: ${text}\n`);
  return JSON.parse(JSON.stringify(Object.getOwnPropertyDescriptor(object, 'spec')?.value));
};

describe('what kubectl was seen to make of values', () => {
  it.each(KUBECTL_READS)('%j is %j', (text, value) => expect(readSpec(text)).toEqual(value));
  it.each(KUBECTL_REFUSES)('%j is refused', (text) => expect(() => readSpec(text)).toThrow(YamlError));
});
