import { KINDS, type ObjectKind } from '../objects/kinds.js';

/** Which objects of a kind to watch, in the API's own selector syntax; the server does the selecting. */
export interface ResourceSelector {
  /** Such as "!service.kubernetes.io/headless". */
  readonly labelSelector?: string;
  /** Such as "spec.nodeName=node-1". */
  readonly fieldSelector?: string;
}

/** The kinds to watch; those that are absent are not watched, and their stores stay empty. */
export type ResourceSelection = { readonly [Kind in ObjectKind]?: ResourceSelector };

/** As kube-proxy selects them: not those of another proxy, and not headless ones. */
const BALANCED: ResourceSelector = {
  labelSelector: '!service.kubernetes.io/service-proxy-name,!service.kubernetes.io/headless',
};

/** What load balancing on one node needs: its own Node object, and the cluster's Services and EndpointSlices. */
export function loadBalancingResources(nodeName: string): ResourceSelection {
  return {
    Service: BALANCED,
    EndpointSlice: BALANCED,
    Node: { fieldSelector: `metadata.name=${nodeName}` },
  };
}

interface ApiResource {
  /** Under the server's URL. */
  readonly path: string;
  /** The name of the resource, with its group, as RBAC and kubectl write it: "endpointslices.discovery.k8s.io". */
  readonly name: string;
  /** The plural in the path. */
  readonly plural: string;
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
}

/** The versions in which a kind may be served, the best first; undefined if every server has it. */
export function optionalVersions(kind: ObjectKind): readonly string[] | undefined {
  const { version, olderVersions } = KINDS[kind];
  return olderVersions && [version, ...olderVersions];
}

/**
 * Where the API serves a kind, for all namespaces.
 *
 * @param inVersion instead of the one that every server has.
 */
export function apiResource(kind: ObjectKind, inVersion?: string): ApiResource {
  const { group, version: usual, plural: storeName } = KINDS[kind];
  const version = inVersion ?? usual;
  const plural = storeName.toLowerCase();
  const path = group === '' ? `api/${version}/${plural}` : `apis/${group}/${version}/${plural}`;
  return { path, name: group === '' ? plural : `${plural}.${group}`, plural, group, version };
}
