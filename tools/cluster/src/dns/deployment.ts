import type { Cluster } from '../cluster.js';
import { DNS_IMAGE } from '../images.js';
import { DNS_ADDRESS } from '../node-config.js';

const NAMESPACE = 'kube-system';
const NAME = 'cluster-dns';
const LABELS = { 'k8s-app': 'kube-dns' };

/** The cluster's DNS as a Deployment behind the service `kube-dns`, as kubeadm sets CoreDNS up. */
export async function installDns(cluster: Cluster): Promise<void> {
  await cluster.must(
    ['apply', '--filename', '-'],
    JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests() }),
  );
  await cluster.must(['--namespace', NAMESPACE, 'rollout', 'status', `deployment/${NAME}`, '--timeout=110s']);
}

function manifests(): object[] {
  const metadata = { name: NAME, namespace: NAMESPACE };
  const port = (name: string, protocol: string) => ({ name, protocol, port: 53 });
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: NAME },
      rules: [
        { apiGroups: [''], resources: ['services'], verbs: ['list', 'watch'] },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
      ],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: NAME },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: NAME },
      subjects: [{ kind: 'ServiceAccount', ...metadata }],
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        selector: { matchLabels: LABELS },
        template: {
          metadata: { labels: LABELS },
          spec: {
            serviceAccountName: NAME,
            dnsPolicy: 'Default',
            containers: [
              {
                name: 'dns',
                image: DNS_IMAGE,
                imagePullPolicy: 'Never',
                readinessProbe: { tcpSocket: { port: 53 }, periodSeconds: 1 },
                securityContext: {
                  allowPrivilegeEscalation: false,
                  readOnlyRootFilesystem: true,
                  capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] },
                },
              },
            ],
          },
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'kube-dns', namespace: NAMESPACE, labels: LABELS },
      spec: {
        selector: LABELS,
        clusterIP: DNS_ADDRESS,
        ports: [port('dns', 'UDP'), port('dns-tcp', 'TCP')],
      },
    },
  ];
}
