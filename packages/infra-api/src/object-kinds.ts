import { ObjectKind } from './gen/infra_offload/v1/offload.js';

/** What the kinds of objects are called in keys, logs and commands: `service/default/web:http/TCP`. */
export const OBJECT_KINDS = {
  node: ObjectKind.OBJECT_KIND_NODE,
  pod: ObjectKind.OBJECT_KIND_POD,
  service: ObjectKind.OBJECT_KIND_SERVICE,
  set: ObjectKind.OBJECT_KIND_ADDRESS_SET,
  policy: ObjectKind.OBJECT_KIND_NETWORK_POLICY,
  isolation: ObjectKind.OBJECT_KIND_POD_ISOLATION,
} as const;
