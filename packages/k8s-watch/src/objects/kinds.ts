import type * as z from 'zod';
import { namespaceSchema, nodeSchema, podSchema, serviceCidrSchema } from './cluster-schemas.js';
import { endpointSliceSchema } from './endpoint-slice-schema.js';
import { networkPolicySchema } from './network-policy-schema.js';
import { serviceSchema } from './service-schema.js';
import { type NamespacedObject, objectName } from './types.js';

/** How a kind is recognised, read, found in the API and kept. */
interface WatchedKind<Item extends NamespacedObject, Plural extends string> {
  /** API group, empty for the core one. */
  readonly group: string;
  readonly version: string;
  /** The name of its store in every source and, in lower case, of the resource in the API. */
  readonly plural: Plural;
  /** False for kinds that belong to the whole cluster. */
  readonly namespaced: boolean;
  readonly schema: z.ZodType<Item>;
  /**
   * Versions of the same fields that older servers have, the best first. A server that has none of them, or does not let
   * us list them, counts as one without such objects. Absent for what every server has.
   */
  readonly olderVersions?: readonly string[];
  /** The group that it had in Kubernetes before the present one. */
  readonly formerGroup?: string;
}

/** So that the compiler knows a kind by its type and the name of its store alone, not by all of its schema. */
function kind<Item extends NamespacedObject, const Plural extends string>(
  definition: WatchedKind<Item, Plural>,
): WatchedKind<Item, Plural> {
  return definition;
}

/** One entry for each kind that is watched, in the order in which sources begin to list them. */
const DEFINITIONS = {
  Namespace: kind({
    group: '',
    version: 'v1',
    plural: 'namespaces',
    namespaced: false,
    schema: namespaceSchema,
  }),
  Node: kind({ group: '', version: 'v1', plural: 'nodes', namespaced: false, schema: nodeSchema }),
  ServiceCIDR: kind({
    group: 'networking.k8s.io',
    version: 'v1',
    plural: 'serviceCIDRs',
    namespaced: false,
    schema: serviceCidrSchema,
    // Kubernetes 1.31 and 1.32 have v1beta1 if that was switched on.
    olderVersions: ['v1beta1'],
  }),
  Service: kind({ group: '', version: 'v1', plural: 'services', namespaced: true, schema: serviceSchema }),
  EndpointSlice: kind({
    group: 'discovery.k8s.io',
    version: 'v1',
    plural: 'endpointSlices',
    namespaced: true,
    schema: endpointSliceSchema,
  }),
  NetworkPolicy: kind({
    group: 'networking.k8s.io',
    version: 'v1',
    plural: 'networkPolicies',
    namespaced: true,
    schema: networkPolicySchema,
    formerGroup: 'extensions',
  }),
  Pod: kind({ group: '', version: 'v1', plural: 'pods', namespaced: true, schema: podSchema }),
};

type Definitions = typeof DEFINITIONS;

/** Every kind that a source watches. */
export type ObjectKinds = { readonly [Kind in keyof Definitions]: z.output<Definitions[Kind]['schema']> };
export type ObjectKind = keyof ObjectKinds;
export type WatchedObject = ObjectKinds[ObjectKind];

/** The name of a kind's store. */
export type StoreName<Kind extends ObjectKind> = Definitions[Kind]['plural'];

/** The entries by kind, as code sees them that is the same for all kinds. */
export const KINDS: { readonly [Kind in ObjectKind]: WatchedKind<ObjectKinds[Kind], StoreName<Kind>> } =
  DEFINITIONS;

export const OBJECT_KINDS = Object.keys(KINDS) as readonly ObjectKind[];

export function isObjectKind(kind: string): kind is ObjectKind {
  return Object.hasOwn(KINDS, kind);
}

/** "Service default/web". */
export function objectKey(object: WatchedObject): string {
  return `${object.kind} ${objectName(object)}`;
}
