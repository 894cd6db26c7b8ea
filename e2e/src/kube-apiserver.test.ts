/**
 * deploy/ against a real API server: admission takes every object, the accounts may do what the agent does and no more,
 * and the agent and the manager of the rendered manifests do their work. Needs KUBE_BIN.
 */
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ContainerProgram,
  ControlPlane,
  containerCommand,
  endpointSlice,
  eventually,
  POD_CIDR,
  programs,
  run,
  service,
  Testbed,
} from '@infra-offload/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ManifestRunner } from './deploy/container.js';
import { AGAINST_RESTRICTED, API_RIGHTS } from './deploy/exceptions.js';
import { Chart } from './deploy/helm/chart.js';
import { built, DEPLOYABLE, podsOf, ROOT } from './deploy/manifests.js';

const NAMESPACE = 'infra-offload';
const AGENT = `system:serviceaccount:${NAMESPACE}:infraagent-sa`;
const MANAGER = `system:serviceaccount:${NAMESPACE}:inframanager-sa`;
const OVERLAY = 'overlays/standalone';
const WEB = {
  name: 'web',
  clusterIp: '10.96.0.20',
  ports: [{ name: 'http', port: 80, targetPort: 8080 }],
};
const HTTP = { protocol: 'tcp', address: WEB.clusterIp, port: 80 } as const;
const NODE = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'node-1' },
  spec: { podCIDR: POD_CIDR, podCIDRs: [POD_CIDR] },
};
const podObject = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default' },
  spec: { nodeName: 'node-1', containers: [{ name: 'main', image: 'none' }] },
});
/** What the images run when they are told nothing else. */
const ENTRYPOINTS = {
  agent: [process.execPath, programs.agent],
  manager: [process.execPath, programs.manager],
};

const { bin, reason } = ControlPlane.programs();
if (bin === undefined) console.log(`deploy/ is not tried against a real API server: ${reason}`);

describe.runIf(bin !== undefined)('deploy/ and a real API server', () => {
  const manifests = built(OVERLAY);
  const pods = podsOf(manifests);
  let bed: Testbed;
  let plane: ControlPlane;
  let node: ManifestRunner;

  /** The only container, or that init container, of a DaemonSet. */
  function program(set: 'infraagent-ds' | 'inframanager-ds', initContainer?: string): ContainerProgram {
    const pod = pods.get(set);
    const container =
      initContainer === undefined
        ? pod?.containers[0]
        : pod?.initContainers?.find(({ name }) => name === initContainer);
    if (pod === undefined || container === undefined) throw new Error(`${set} has no ${initContainer}`);
    return node.program(pod, container, ENTRYPOINTS[set === 'infraagent-ds' ? 'agent' : 'manager']);
  }

  beforeAll(async () => {
    bed = await Testbed.create({
      tapCount: 5,
      // Made when the init containers have run.
      programs: (layout) => {
        node = new ManifestRunner(layout, manifests);
        return {
          agent: () => program('infraagent-ds'),
          manager: () => program('inframanager-ds'),
        };
      },
    });
    plane = await ControlPlane.start(bin ?? '', bed.node, join(bed.layout.directory, 'control-plane'));
    await plane.must(['apply', '--filename', join(ROOT, 'deploy/base/common/namespace.yaml')]);
  });
  afterAll(async () => {
    await plane?.stop();
    await bed?.stop();
  });

  describe.each(DEPLOYABLE)('deploy/%s', (folder) => {
    it('is admitted, and breaks the level `restricted` only where it is known to', async () => {
      await plane.must(['apply', '--dry-run=server', '--kustomize', join(ROOT, 'deploy', folder)]);
      const restricted = 'pod-security.kubernetes.io/warn=restricted';
      await plane.must(['label', '--overwrite', 'namespace', NAMESPACE, restricted]);
      for (const set of built(folder).filter(({ kind }) => kind === 'DaemonSet')) {
        const { stderr } = await plane.kubectl(
          ['apply', '--dry-run=server', '--filename', '-'],
          JSON.stringify(set),
        );
        const warning = /would violate PodSecurity "restricted:latest": (.*)/.exec(stderr)?.[1] ?? '';
        // "host namespaces (hostNetwork=true), unrestricted capabilities (container …)"
        const found = warning.replace(/ \((?:[^()]|\([^()]*\))*\)/g, '').split(', ');
        expect(found.sort(), `${set.metadata.name}: ${warning}`).toEqual(
          AGAINST_RESTRICTED[set.metadata.name],
        );
      }
    });
  });

  it('the Helm chart is admitted, with every value that changes pods', async () => {
    const chart = new Chart();
    try {
      const items = chart.manifests({
        name: 'net',
        namespace: NAMESPACE,
        values: {
          image: { pullPolicy: 'Always', pullSecrets: [{ name: 'registry' }] },
          apiServer: { host: '192.0.2.10' },
          nodeSelector: { network: 'offload' },
          tolerations: [{ key: 'only', operator: 'Exists' }],
          agent: { config: { mtu: 9000 }, resources: { limits: { memory: '2Gi' } } },
          dataplane: { kind: 'dpdk', hugePages: '2Mi' },
        },
      });
      const list = { apiVersion: 'v1', kind: 'List', items };
      await plane.must(['apply', '--dry-run=server', '--filename', '-'], JSON.stringify(list));
    } finally {
      chart.remove();
    }
  });

  it('the deployed agent and manager work, and the agent asks what it may and is never refused', async () => {
    await plane.must(['apply', '--kustomize', join(ROOT, 'deploy', OVERLAY)]);
    await plane.apply([NODE]);
    for (const [set, pod] of pods) {
      for (const { name } of pod.initContainers ?? []) await runOnce(set, name);
    }
    await writeToken();
    await bed.startAll();
    await eventually(
      'the agent writes the network configuration',
      () => existsSync(join(node.root, 'etc/cni/net.d/10-infra-offload.conflist')) || undefined,
    );
    // Pods are attached through the node's socket.
    symlinkSync(join(node.root, 'var/run/infra-offload/cni.sock'), bed.layout.cniSocket);

    // No controller makes the account that pods have by default.
    await plane.apply([{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } }]);
    await plane.apply(['client', 'web'].map(podObject));
    const client = await bed.addPod('client');
    const web = await bed.addPod('web');
    await web.process.serve('tcp', 8080);
    await plane.apply([service(WEB), endpointSlice(WEB, [{ ip: web.ip }])]);
    await bed.balanced('default/web:http/TCP', [web.ip]);
    expect((await client.process.spread(HTTP, 10)).failures).toEqual({});

    const requests = plane.requestsOf(AGENT);
    const refused = requests.filter(({ responseStatus }) => responseStatus?.code === 403);
    expect(refused.map(({ verb, requestURI }) => `${verb} ${requestURI}`)).toEqual([]);
    const asked = requests.flatMap(({ verb, objectRef }) => {
      if (objectRef === undefined) return [];
      const { resource, apiGroup } = objectRef;
      return [`${verb} ${resource}${apiGroup === undefined ? '' : `.${apiGroup}`}`];
    });
    // The ConfigMap is looked at where there are no ServiceCIDR objects.
    const granted = (API_RIGHTS['infraagent-sa'] ?? []).filter((right) => !right.includes('kubeadm-config'));
    expect([...new Set(asked)].sort()).toEqual([...granted].sort());
    expect(plane.requestsOf(MANAGER)).toEqual([]);
  });

  it('accounts may do nothing else', async () => {
    const can = async (account: string, ...words: readonly string[]) =>
      (await plane.kubectl(['auth', 'can-i', `--as=${account}`, ...words])).stdout.trim();
    const ofKubeadm = ['get', 'configmaps/kubeadm-config', '--namespace=kube-system'];
    expect(await can(AGENT, ...ofKubeadm)).toBe('yes');
    for (const forbidden of [
      ['get', 'configmaps/other', '--namespace=kube-system'],
      ['get', 'configmaps/kubeadm-config', `--namespace=${NAMESPACE}`],
      ['list', 'secrets', '--all-namespaces'],
      ['get', 'secrets', `--namespace=${NAMESPACE}`],
      ['create', 'pods', `--namespace=${NAMESPACE}`],
      ['patch', 'nodes'],
      ['update', 'services', '--subresource=status'],
    ]) {
      expect(await can(AGENT, ...forbidden), forbidden.join(' ')).toBe('no');
    }
    for (const resource of ['pods', 'services', 'secrets', 'configmaps'])
      expect(await can(MANAGER, 'list', resource, '--all-namespaces'), resource).toBe('no');
  });

  /** Runs an init container to its end. */
  async function runOnce(set: string, name: string): Promise<void> {
    if (set !== 'infraagent-ds' && set !== 'inframanager-ds') throw new Error(`who runs ${set}?`);
    const [command, args] = bed.node.wrap(...containerCommand(program(set, name), []));
    const { code, stderr } = await run(command, args);
    expect(stderr, name).toBe('');
    expect(code, name).toBe(0);
  }

  /** What kubelet puts into the volume of the token. */
  async function writeToken(): Promise<void> {
    const directory = node.projected('api-access');
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'token'), await plane.token(NAMESPACE, 'infraagent-sa'), { mode: 0o400 });
    writeFileSync(join(directory, 'ca.crt'), plane.authority, { mode: 0o400 });
    writeFileSync(join(directory, 'namespace'), NAMESPACE, { mode: 0o400 });
  }
});
