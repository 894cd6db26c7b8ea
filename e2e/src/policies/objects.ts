/** Parts of NetworkPolicies as people write them. */

export type Labels = Readonly<Record<string, string>>;

interface Spec {
  readonly namespace?: string;
  readonly podSelector?: object;
  readonly policyTypes?: readonly ('Ingress' | 'Egress')[];
  readonly ingress?: readonly object[];
  readonly egress?: readonly object[];
}

let made = 0;

/** A policy of namespace x for all its pods, unless `spec` says otherwise. */
export function policy({ namespace = 'x', podSelector = {}, ...spec }: Spec): object {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace, name: `policy-${++made}` },
    spec: { podSelector, ...spec },
  };
}

export const pods = (matchLabels: Labels) => ({ podSelector: { matchLabels } });
export const namespaces = (matchLabels: Labels) => ({ namespaceSelector: { matchLabels } });
export const expressions = (key: string, operator: string, values?: readonly string[]) => ({
  matchExpressions: [{ key, operator, ...(values === undefined ? {} : { values }) }],
});
export const ipBlock = (cidr: string, ...except: readonly string[]) => ({ ipBlock: { cidr, except } });
export const tcp = (port: number | string, endPort?: number) => ({
  protocol: 'TCP',
  port,
  ...(endPort === undefined ? {} : { endPort }),
});
export const udp = (port: number | string) => ({ protocol: 'UDP', port });
export const sctp = (port: number | string) => ({ protocol: 'SCTP', port });
export const A = { matchLabels: { pod: 'a' } };
export const B = { matchLabels: { pod: 'b' } };
export const EVERYBODY = { namespaceSelector: {} };
