/** A Kubernetes object as JSON. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly [field: string]: unknown;
}

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly resourceVersion?: string;
  readonly [field: string]: unknown;
}

/** Which object is meant. */
export interface ObjectRef {
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
}

export interface Resource {
  readonly kind: string;
  /** In paths. */
  readonly plural: string;
  /** Empty for the core group. */
  readonly group: string;
  readonly namespaced: boolean;
  /** Besides metadata.name and metadata.namespace. */
  readonly selectableFields: readonly string[];
}

const POD_FIELDS = [
  'spec.nodeName',
  'spec.restartPolicy',
  'spec.schedulerName',
  'spec.serviceAccountName',
  'spec.hostNetwork',
  'status.phase',
  'status.podIP',
];

/** What the server serves, in version v1 unless it is told otherwise. */
export const RESOURCES: readonly Resource[] = [
  {
    kind: 'Service',
    plural: 'services',
    group: '',
    namespaced: true,
    selectableFields: ['spec.type', 'spec.clusterIP'],
  },
  {
    kind: 'EndpointSlice',
    plural: 'endpointslices',
    group: 'discovery.k8s.io',
    namespaced: true,
    selectableFields: [],
  },
  {
    kind: 'NetworkPolicy',
    plural: 'networkpolicies',
    group: 'networking.k8s.io',
    namespaced: true,
    selectableFields: [],
  },
  { kind: 'Pod', plural: 'pods', group: '', namespaced: true, selectableFields: POD_FIELDS },
  {
    kind: 'Namespace',
    plural: 'namespaces',
    group: '',
    namespaced: false,
    selectableFields: ['status.phase'],
  },
  {
    kind: 'ServiceCIDR',
    plural: 'servicecidrs',
    group: 'networking.k8s.io',
    namespaced: false,
    selectableFields: [],
  },
  { kind: 'ConfigMap', plural: 'configmaps', group: '', namespaced: true, selectableFields: [] },
  { kind: 'Node', plural: 'nodes', group: '', namespaced: false, selectableFields: ['spec.unschedulable'] },
];

export function apiVersionOf({ group }: Resource): string {
  return group === '' ? 'v1' : `${group}/v1`;
}

export function resourceOfKind(kind: string): Resource {
  const resource = RESOURCES.find((resource) => resource.kind === kind);
  if (resource === undefined) {
    throw new Error(`no kind '${kind}'; there are: ${RESOURCES.map(({ kind }) => kind).join(', ')}`);
  }
  return resource;
}

/** The order of keys is the order of lists, as in etcd. */
export function keyOf({ namespace, name }: Pick<ObjectMeta, 'namespace' | 'name'>): string {
  return `${namespace ?? ''}/${name}`;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
