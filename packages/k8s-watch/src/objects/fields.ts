import { parseIPAddress, parsePrefix } from '@infra-offload/net';
import * as z from 'zod';
import { intern } from './intern.js';

/** Fields and helpers that several kinds share. */

/** Kubernetes treats null and absent alike. */
export function withDefault<Schema extends z.ZodType>(schema: Schema, value: z.output<Schema>) {
  return schema.nullish().transform((given): z.output<Schema> => given ?? value);
}

export function listOf<Schema extends z.ZodType>(schema: Schema) {
  return z
    .array(schema)
    .nullish()
    .transform((given): z.output<Schema>[] => given ?? []);
}

export function integer(min: number, max: number) {
  const message = `must be an integer from ${min} to ${max}`;
  return z.int(message).min(min, message).max(max, message);
}

/** An IP address, or one of some words. */
export function ipOr(...words: readonly string[]) {
  const choices = words.map((word) => ` or "${word}"`).join('');
  return z
    .string()
    .refine(
      (text) => parseIPAddress(text) !== undefined || words.includes(text),
      `must be an IP address${choices}`,
    );
}

export const name = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'must be lower case letters, digits, "-" and "."');

export const namespace = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'must be lower case letters, digits and "-"');

export const labels = withDefault(z.record(z.string(), z.string()), {});

export const metadata = z.object({
  name,
  namespace: withDefault(namespace, 'default').transform(intern),
  labels,
});

/** Of objects that belong to no namespace. */
export const clusterMetadata = z
  .object({ name, labels })
  .transform((fields) => ({ name: fields.name, namespace: '', labels: fields.labels }));

/** The labels that somebody asks for; a cluster has thousands of objects, whose other labels would only cost memory. */
export function pickLabels(
  labels: Readonly<Record<string, string>>,
  ...wanted: readonly string[]
): Record<string, string> {
  const picked: Record<string, string> = {};
  for (const label of wanted) {
    const value = Object.hasOwn(labels, label) ? labels[label] : undefined;
    if (value !== undefined) picked[label] = value;
  }
  return picked;
}

export const protocol = withDefault(z.enum(['TCP', 'UDP', 'SCTP']), 'TCP');
export const portNumber = integer(1, 65535);
export const optionalPort = integer(0, 65535).nullish();
export const portName = withDefault(
  z
    .string()
    .max(63)
    .regex(/^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$/, 'must be lower case letters, digits and "-"'),
  '',
);
export const ip = ipOr();
export const cidr = z
  .string()
  // Go reads them; nobody after this needs to.
  .transform((text) => text.replace(/\/0+(?=\d)/, '/'))
  .refine(
    (text) => text.includes('/') && parsePrefix(text) !== undefined,
    'must be a CIDR, such as 10.0.0.0/8',
  );
export const trafficPolicy = withDefault(z.enum(['Cluster', 'Local']), 'Cluster');
