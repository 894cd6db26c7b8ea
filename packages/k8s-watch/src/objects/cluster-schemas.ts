import * as z from 'zod';
import { cidr, clusterMetadata, integer, ipOr, listOf, metadata, pickLabels, protocol } from './fields.js';
import { intern } from './intern.js';
import {
  type Namespace,
  type Node,
  type Pod,
  type PodPort,
  REGION_LABEL,
  type ServiceCIDR,
  ZONE_LABEL,
} from './types.js';

/** Pods, namespaces and nodes: the API server has checked them, here only what is used is looked at. */

const deletionTimestamp = z
  .unknown()
  .optional()
  .transform((time) => time !== undefined && time !== null);

const containerPort = z.object({ name: z.string().nullish(), protocol, containerPort: integer(1, 65535) });
const containers = listOf(z.object({ ports: listOf(containerPort) }));
/** Sidecars are init containers that go on running; only those have ports that anybody can reach. */
const initContainers = listOf(
  z.object({ ports: listOf(containerPort), restartPolicy: z.string().nullish() }),
);

export const podSchema = z
  .object({
    metadata: metadata.extend({ deletionTimestamp }),
    spec: z.object({
      nodeName: z.string().nullish(),
      hostNetwork: z.boolean().nullish(),
      containers,
      initContainers,
    }),
    status: z
      .object({
        phase: z.string().nullish(),
        podIP: ipOr('').nullish(),
        podIPs: listOf(z.object({ ip: ipOr('').nullish() })),
      })
      .nullish(),
  })
  .transform(({ metadata: { deletionTimestamp: terminating, ...metadata }, spec, status }): Pod => {
    const all = status?.podIPs.flatMap(({ ip }) => ip || []) ?? [];
    const sidecars = spec.initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always');
    const ports = [...spec.containers, ...sidecars].flatMap(({ ports }) => ports);
    return {
      kind: 'Pod',
      ...metadata,
      ...(spec.nodeName ? { nodeName: intern(spec.nodeName) } : {}),
      ips: all.length > 0 ? all : status?.podIP ? [status.podIP] : [],
      hostNetwork: spec.hostNetwork ?? false,
      finished: status?.phase === 'Succeeded' || status?.phase === 'Failed',
      terminating,
      ports: ports.flatMap(({ name, protocol, containerPort }): PodPort[] =>
        name ? [{ name, protocol, port: containerPort }] : [],
      ),
    };
  });

export const namespaceSchema = z
  .object({ metadata: clusterMetadata })
  .transform(({ metadata }): Namespace => ({ kind: 'Namespace', ...metadata }));

export const serviceCidrSchema = z
  .object({ metadata: clusterMetadata, spec: z.object({ cidrs: listOf(cidr) }) })
  .transform(({ metadata, spec }): ServiceCIDR => ({ kind: 'ServiceCIDR', ...metadata, cidrs: spec.cidrs }));

const TO_BE_DELETED_TAINT = 'ToBeDeletedByClusterAutoscaler';

export const nodeSchema = z
  .object({
    metadata: z.intersection(clusterMetadata, z.object({ deletionTimestamp })),
    spec: z
      .object({
        podCIDR: z.string().nullish(),
        podCIDRs: listOf(z.string()),
        taints: listOf(z.object({ key: z.string().nullish() })),
      })
      .nullish(),
    status: z
      .object({ addresses: listOf(z.object({ type: z.string().nullish(), address: z.string().nullish() })) })
      .nullish(),
  })
  .transform(({ metadata: { deletionTimestamp: terminating, ...metadata }, spec, status }): Node => {
    const zone = metadata.labels[ZONE_LABEL];
    const cidrs = spec?.podCIDRs ?? [];
    return {
      kind: 'Node',
      ...metadata,
      labels: pickLabels(metadata.labels, ZONE_LABEL, REGION_LABEL),
      ...(zone ? { zone } : {}),
      internalIPs:
        status?.addresses.flatMap(({ type, address }) =>
          type === 'InternalIP' && address ? [address] : [],
        ) ?? [],
      podCIDRs: cidrs.length > 0 ? cidrs : spec?.podCIDR ? [spec.podCIDR] : [],
      terminating,
      toBeDeleted: spec?.taints.some(({ key }) => key === TO_BE_DELETED_TAINT) ?? false,
    };
  });
