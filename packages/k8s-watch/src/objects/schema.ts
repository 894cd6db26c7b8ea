import type * as z from 'zod';
import { namespaceSchema, nodeSchema, podSchema, serviceCidrSchema } from './cluster-schemas.js';
import { endpointSliceSchema } from './endpoint-slice-schema.js';
import { networkPolicySchema } from './network-policy-schema.js';
import { serviceSchema } from './service-schema.js';
import type { ObjectKind, ObjectKinds } from './types.js';

interface KindSchema<Kind extends ObjectKind> {
  /** API group, empty for the core one. */
  readonly group: string;
  readonly version: string;
  /** False for kinds that belong to the whole cluster. */
  readonly namespaced: boolean;
  readonly schema: z.ZodType<ObjectKinds[Kind]>;
}

/** How each kind that is watched is recognised and read. */
export const KIND_SCHEMAS: { readonly [Kind in ObjectKind]: KindSchema<Kind> } = {
  Service: { group: '', version: 'v1', namespaced: true, schema: serviceSchema },
  EndpointSlice: { group: 'discovery.k8s.io', version: 'v1', namespaced: true, schema: endpointSliceSchema },
  NetworkPolicy: { group: 'networking.k8s.io', version: 'v1', namespaced: true, schema: networkPolicySchema },
  Pod: { group: '', version: 'v1', namespaced: true, schema: podSchema },
  Namespace: { group: '', version: 'v1', namespaced: false, schema: namespaceSchema },
  Node: { group: '', version: 'v1', namespaced: false, schema: nodeSchema },
  ServiceCIDR: { group: 'networking.k8s.io', version: 'v1', namespaced: false, schema: serviceCidrSchema },
};

export function isObjectKind(kind: string): kind is ObjectKind {
  return Object.hasOwn(KIND_SCHEMAS, kind);
}
