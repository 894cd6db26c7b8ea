import { parsePrefix, prefixContains } from '@infra-offload/net';
import * as z from 'zod';
import { cidr, integer, labels, listOf, metadata, portNumber, protocol, withDefault } from './fields.js';
import type { NetworkPolicy, PolicyPeer } from './types.js';

const labelRequirement = z
  .object({
    key: z.string().min(1),
    operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
    values: listOf(z.string()),
  })
  .check((context) => {
    if (context.issues.length > 0) return;
    const { operator, values } = context.value;
    const needsValues = operator === 'In' || operator === 'NotIn';
    if (needsValues === values.length > 0) return;
    const message = needsValues ? `is needed with operator ${operator}` : `must be empty with ${operator}`;
    context.issues.push({ code: 'custom', input: values, path: ['values'], message });
  });

const labelSelector = z.object({ matchLabels: labels, matchExpressions: listOf(labelRequirement) });

/** Older API servers take octets with leading zeros, which are decimal there, and keep what they have taken. */
const blockCidr = z
  .string()
  .transform((text) => (text.includes(':') ? text : text.replace(/(^|\.)0+(?=\d)/g, '$1')))
  .pipe(cidr);

const ipBlock = z.object({ cidr: blockCidr, except: listOf(blockCidr) }).check((context) => {
  if (context.issues.length > 0) return;
  const { cidr, except } = context.value;
  for (const [i, part] of except.entries()) {
    if (isStrictlyInside(part, cidr)) continue;
    const message = `${part} is not a part of ${cidr}`;
    context.issues.push({ code: 'custom', input: part, path: ['except', i], message });
  }
});

const peer = z
  .object({
    ipBlock: ipBlock.nullish(),
    podSelector: labelSelector.nullish(),
    namespaceSelector: labelSelector.nullish(),
  })
  .check((context) => {
    if (context.issues.length > 0) return;
    const { ipBlock, podSelector, namespaceSelector } = context.value;
    const selects = Boolean(podSelector || namespaceSelector);
    if (Boolean(ipBlock) !== selects) return;
    const message = selects
      ? 'ipBlock cannot be combined with selectors; make it a peer of its own'
      : 'needs ipBlock, podSelector or namespaceSelector';
    context.issues.push({ code: 'custom', input: context.value, path: [], message });
  })
  .transform(({ ipBlock, podSelector, namespaceSelector }): PolicyPeer => {
    if (ipBlock) return { type: 'IPBlock', cidr: ipBlock.cidr, except: ipBlock.except };
    return {
      type: 'Pods',
      ...(podSelector ? { podSelector } : {}),
      ...(namespaceSelector ? { namespaceSelector } : {}),
    };
  });

const PORT_NAME = /^(?=.*[a-z])(?=.{1,15}$)[a-z0-9]+(-[a-z0-9]+)*$/;

const policyPort = z
  .object({
    protocol,
    port: z
      .union(
        [portNumber, z.string().regex(PORT_NAME, 'must be a number, or a name like "http-alt"')],
        'must be an integer from 1 to 65535 or the name of a port',
      )
      .nullish(),
    endPort: integer(1, 65535).nullish(),
  })
  .check((context) => {
    if (context.issues.length > 0) return;
    const { port, endPort } = context.value;
    if (typeof endPort !== 'number') return;
    if (typeof port === 'number' && endPort >= port) return;
    const message =
      typeof port === 'number' ? `must be ${port} or more, as port is` : 'needs a port that is a number';
    context.issues.push({ code: 'custom', input: endPort, path: ['endPort'], message });
  })
  .transform(({ protocol, port, endPort }) => ({
    protocol,
    ...(port !== undefined && port !== null ? { port } : {}),
    ...(typeof endPort === 'number' ? { endPort } : {}),
  }));

const ingressRule = z
  .object({ from: listOf(peer), ports: listOf(policyPort) })
  .transform(({ from, ports }) => ({ peers: from, ports }));

const egressRule = z
  .object({ to: listOf(peer), ports: listOf(policyPort) })
  .transform(({ to, ports }) => ({ peers: to, ports }));

const policySpec = z.object({
  podSelector: labelSelector.nullish(),
  policyTypes: listOf(z.enum(['Ingress', 'Egress'])),
  ingress: listOf(ingressRule),
  egress: listOf(egressRule),
});

/** Without anything, it is for all pods of its namespace, and allows nothing to reach them. */
const EMPTY_SPEC: z.output<typeof policySpec> = { policyTypes: [], ingress: [], egress: [] };

export const networkPolicySchema = z
  .object({ metadata, spec: withDefault(policySpec, EMPTY_SPEC) })
  .transform(({ metadata, spec: { podSelector, policyTypes, ingress, egress } }): NetworkPolicy => {
    const defaults = egress.length > 0 ? (['Ingress', 'Egress'] as const) : (['Ingress'] as const);
    return {
      kind: 'NetworkPolicy',
      ...metadata,
      podSelector: podSelector ?? { matchLabels: {}, matchExpressions: [] },
      policyTypes: policyTypes.length > 0 ? [...new Set(policyTypes)] : defaults,
      ingress,
      egress,
    };
  });

function isStrictlyInside(part: string, whole: string): boolean {
  const [inner, outer] = [parsePrefix(part), parsePrefix(whole)];
  if (inner === undefined || outer === undefined) return false;
  return inner.length > outer.length && prefixContains(outer, inner);
}
