/** `make deploy` and `make undeploy`, again and again, on a real API server. Needs KUBE_BIN. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { faultTest } from '@infra-offload/faults';
import { ControlPlane, NetworkNamespace, run } from '@infra-offload/testbed';
import { LEAVES } from '@infra-offload/tls-certs';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { OVERLAYS, ROOT } from '../deploy/manifests.js';

const NAMESPACE = 'infra-offload';
const LABEL = 'app.kubernetes.io/part-of=infra-offload';
/** Of what is in no namespace, or in one of others. */
const KINDS = 'namespaces,clusterroles,clusterrolebindings,roles,rolebindings,daemonsets,configmaps';
const TIMEOUT_MS = 120_000;

const { bin, reason } = ControlPlane.programs();
if (bin === undefined) console.log(`deploy and undeploy are not repeated: ${reason}`);

describe.runIf(bin !== undefined)('a cluster without nodes', () => {
  let node: NetworkNamespace;
  let directory: string;
  let plane: ControlPlane;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'infra-offload-deploy-'));
    node = await NetworkNamespace.create(`iof-${directory.split('-').at(-1)}-control`);
    plane = await ControlPlane.start(bin ?? '', node, directory);
    await plane.startControllers([
      'namespace-controller',
      'daemonset-controller',
      'garbage-collector-controller',
      'serviceaccount-controller',
    ]);
  });
  afterAll(async () => {
    await plane?.stop();
    await node?.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  async function deploy(...args: readonly string[]): Promise<string> {
    const env = { ...process.env, KUBECTL: plane.kubectlCommand, API_SERVER: '192.0.2.10:6443' };
    const { code, stdout, stderr } = await run(join(ROOT, 'scripts/deploy.sh'), args, {
      env,
      timeoutMs: TIMEOUT_MS,
    });
    expect(code, `deploy.sh ${args.join(' ')}: ${stdout}${stderr}`).toBe(0);
    return stdout;
  }

  /** As `make tls-secrets`; what is in them does not matter to nobody. */
  async function makeSecrets(): Promise<void> {
    await plane.must(['apply', '--filename', join(ROOT, 'deploy/base/common/namespace.yaml')]);
    const names = LEAVES.flatMap(({ secret }) => (secret === undefined ? [] : [secret]));
    await plane.apply(
      names.map((name) => ({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name, namespace: NAMESPACE },
        stringData: { 'ca.crt': '', 'tls.crt': '', 'tls.key': '' },
      })),
    );
  }

  const ours = async () =>
    (await plane.must(['get', KINDS, '--all-namespaces', '--selector', LABEL, '--output', 'name'])).trim();

  faultTest(
    {
      fault: 'deploy and undeploy, repeated, of any overlay, also twice',
      promise: 'the API server takes it each time, and nothing is left in the cluster',
      sample: 1,
      unit: 'upheaval',
      most: 20,
    },
    async ({ cases, random }) => {
      const started = performance.now();
      for (let index = 0; index < cases; index++) {
        await makeSecrets();
        const overlay = random.pick(OVERLAYS);
        await deploy('up', overlay);
        if (random.chance(50)) await deploy('up', overlay);
        expect(await ours()).toContain('daemonset.apps/infraagent-ds');
        await deploy('down');
        expect(await deploy('down')).toContain('nothing is deployed');
        expect(await ours()).toBe('');
      }
      const seconds = (performance.now() - started) / 1000 / cases;
      return `${seconds.toFixed(1)} s for both, nothing left over`;
    },
  );
});
