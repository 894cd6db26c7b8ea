import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LEAVES } from '@infra-offload/tls-certs';
import type { V1DaemonSetSpec, V1PodSpec } from '@kubernetes/client-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig as loadAgentConfig } from '../../apps/agent/src/config/load.js';
import { loadConfig as loadManagerConfig } from '../../apps/manager/src/config/load.js';
import { readConfig as readSoftswitchConfig } from '../../packages/softswitch/src/config.js';
import { apiRightsOf } from './deploy/api-rights.js';
import { API_RIGHTS, EXCEPTIONS } from './deploy/exceptions.js';
import { schemaProblems } from './deploy/manifest-schema.js';
import { built, containersOf, DEPLOYABLE, manifestsIn, OVERLAYS, podsOf, ROOT } from './deploy/manifests.js';
import { rightsOf } from './deploy/rights.js';

/** Values of a key, wherever it is. */
function valuesOf(value: unknown, key: string): unknown[] {
  if (Array.isArray(value)) return value.flatMap((item) => valuesOf(item, key));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [
    ...(name === key ? [inner] : []),
    ...valuesOf(inner, key),
  ]);
}

describe.each(DEPLOYABLE)('deploy/%s', (folder) => {
  const manifests = built(folder);
  const names = (kind: string) =>
    manifests.filter((manifest) => manifest.kind === kind).map(({ metadata }) => metadata.name);

  it('builds, and every object fits the schema of its kind', () => {
    expect(manifests.length).toBeGreaterThan(3);
    for (const manifest of manifests) expect(schemaProblems(manifest), manifest.kind).toEqual([]);
  });

  it('has everything in its own namespace, but for rights in others', () => {
    for (const { kind, metadata } of manifests) {
      if (['Namespace', 'ClusterRole', 'ClusterRoleBinding'].includes(kind)) continue;
      const isElsewhere = ['Role', 'RoleBinding'].includes(kind);
      expect(metadata.namespace, `${kind} ${metadata.name}`).toBe(
        isElsewhere ? 'kube-system' : 'infra-offload',
      );
    }
  });

  it('names only what is there: accounts, ConfigMaps, Secrets that tls-certs makes, volumes', () => {
    const secrets = LEAVES.flatMap(({ secret }) => (secret === undefined ? [] : [secret]));
    for (const set of manifests.filter(({ kind }) => kind === 'DaemonSet')) {
      for (const account of valuesOf(set, 'serviceAccountName'))
        expect(names('ServiceAccount')).toContain(account);
      for (const map of valuesOf(set, 'configMap')) {
        // The last of these is in every namespace.
        expect([...names('ConfigMap'), 'kube-root-ca.crt']).toContain((map as { name: string }).name);
      }
      for (const secret of valuesOf(set, 'secretName')) expect(secrets).toContain(secret);
      const volumes = valuesOf(set, 'volumes')
        .flat()
        .map((volume) => (volume as { name: string }).name);
      for (const mount of valuesOf(set, 'volumeMounts').flat()) {
        expect(volumes).toContain((mount as { name: string }).name);
      }
    }
  });

  it('may do what the table of exceptions says, and nothing else', () => {
    const pods = podsOf(manifests);
    const expected = EXCEPTIONS[folder] ?? {};
    expect([...pods.keys()].sort()).toEqual(Object.keys(expected).sort());
    for (const [name, pod] of pods) expect(rightsOf(pod), name).toEqual([...(expected[name] ?? [])].sort());
  });

  it('may ask the API server what the table says, each thing once', () => {
    for (const account of names('ServiceAccount'))
      expect(apiRightsOf(manifests, account), account).toEqual([...(API_RIGHTS[account] ?? [])].sort());
  });

  it('asks for memory', () => {
    for (const pod of podsOf(manifests).values()) {
      for (const { name, resources } of containersOf(pod))
        expect(resources?.requests?.memory, name).toMatch(/^\d+Mi$/);
    }
  });
});

describe('the data plane of the target', () => {
  const sets = built('overlays/standalone').filter(({ kind }) => kind === 'DaemonSet');
  const setOf = (wanted: string) =>
    sets.find(({ metadata }) => metadata.name === wanted)?.spec as V1DaemonSetSpec;

  it('outlives upgrades: a pod of its own, which nothing but its deletion replaces', () => {
    expect(setOf('infra-dataplane').updateStrategy).toEqual({ type: 'OnDelete' });
    expect(setOf('infra-softswitch').updateStrategy?.type).toBe('RollingUpdate');
  });

  it('and the softswitch have one run directory and the same settings', () => {
    const shared = ['infra-dataplane', 'infra-softswitch'].map((name) => {
      const { volumes = [], containers } = setOf(name).template.spec as V1PodSpec;
      return [
        volumes.filter(({ name }) => ['run', 'config'].includes(name)),
        containers.map(({ image, volumeMounts = [] }) => [
          image,
          volumeMounts.find(({ name }) => name === 'run')?.mountPath,
        ]),
      ];
    });
    expect(shared[0]).toEqual(shared[1]);
    expect(JSON.stringify(shared)).toContain('/run/softswitch');
  });
});

describe('settings in the ConfigMaps', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'infra-offload-deploy-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const settingsOf = (folder: string, key: string) =>
    built(folder).flatMap(({ data }) => {
      const text = typeof data === 'object' && data !== null ? Object.entries(data) : [];
      return text.flatMap(([name, content]) => {
        if (name !== key) return [];
        const file = join(directory, name);
        writeFileSync(file, String(content));
        return [file];
      });
    });

  it.each(DEPLOYABLE)('are what the agent takes: %s', (folder) => {
    const files = settingsOf(folder, 'infraagent-config.yaml');
    expect(files).toHaveLength(1);
    for (const file of files) expect(loadAgentConfig(file).tls.mode).toBe('mtls');
  });

  it.each(['standalone', 'host', 'calico'])('are what the manager takes: %s', (overlay) => {
    const files = settingsOf(`overlays/${overlay}`, 'inframanager-config.yaml');
    expect(files).toHaveLength(1);
    for (const file of files) {
      const { tls, target } = loadManagerConfig(file);
      expect([tls.mode, target.p4runtimeTls.mode, target.gnmiTls.mode]).toEqual(['mtls', 'mtls', 'mtls']);
    }
  });

  it.each(['standalone', 'host', 'calico'])(
    'are what the softswitch takes, with mutual TLS: %s',
    (overlay) => {
      const files = settingsOf(`overlays/${overlay}`, 'softswitch.yaml');
      expect(files).toHaveLength(1);
      for (const file of files) {
        const { tls, keptDataplane, taps } = readSoftswitchConfig(file);
        expect([tls.mode, keptDataplane]).toEqual(['mtls', true]);
        // kubelet's own default, and the node.
        expect(taps.count).toBeGreaterThan(110);
      }
    },
  );

  it('are what the manager takes on the IPU', () => {
    const file = join(ROOT, 'deploy/ipu/inframanager-config.yaml');
    const { interfaceType, listen } = loadManagerConfig(file);
    const [agent = ''] = settingsOf('overlays/split', 'infraagent-config.yaml');
    expect(loadAgentConfig(agent)).toMatchObject({ managerAddress: listen, interfaceType });
  });
});

it.each(['gen-certs', 'tls-secrets'])(
  'make %s builds what makes certificates, and nothing else',
  (target) => {
    const { stdout } = spawnSync('make', ['--directory', ROOT, '--dry-run', target], { encoding: 'utf8' });
    const builds = stdout.split('\n').filter((line) => /pnpm .*\bbuild\b/.test(line));
    expect(builds).toEqual([expect.stringContaining('--filter @infra-offload/tls-certs ')]);
  },
);

const KNOWN_SERVER = { KUBECTL_SERVER: 'https://192.0.2.10:6443' };

describe('scripts/deploy.sh', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'infra-offload-deploy-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  /** Runs it with a kubectl that notes what it is told, and fails where `fails` matches. */
  function deploy(args: readonly string[], fails = 'nothing', env: NodeJS.ProcessEnv = KNOWN_SERVER) {
    const log = join(directory, 'log');
    const kubectl = join(directory, 'kubectl');
    writeFileSync(
      kubectl,
      `#!/bin/sh
echo "$*" >>${log}
case "$*" in *${fails}*) exit 1;; *"get daemonsets"*) echo daemonset/infraagent-ds; echo daemonset/inframanager-ds;;
  *"configmap cluster-info"*) printf '%s' "$CLUSTER_INFO";; *"config view"*) printf '%s' "$KUBECTL_SERVER";; esac
`,
    );
    chmodSync(kubectl, 0o755);
    writeFileSync(log, '');
    const { status, stderr } = spawnSync(join(ROOT, 'scripts/deploy.sh'), args, {
      env: { ...process.env, ...env, KUBECTL: kubectl },
      encoding: 'utf8',
    });
    return { status, stderr, calls: readFileSync(log, 'utf8').trim().split('\n') };
  }

  it('applies an overlay and waits for it', () => {
    const { status, calls } = deploy(['up', 'standalone']);
    expect(status).toBe(0);
    expect(calls).toContain('kustomize overlays/standalone');
    expect(calls.filter((call) => call === 'apply -f -')).toHaveLength(2);
    expect(calls.at(-1)).toBe(
      '--namespace infra-offload rollout status daemonset/inframanager-ds --timeout 300s',
    );
  });

  it('does not begin without certificates', () => {
    const { status, stderr, calls } = deploy(['up', 'host'], 'manager-server-secret');
    expect(status).toBe(1);
    expect(stderr).toBe(
      'deploy: Secret manager-server-secret is missing in namespace infra-offload: run make tls-secrets first\n',
    );
    expect(calls).not.toContain('apply -f -');
  });

  it('needs the agent’s certificate only in split mode', () => {
    expect(deploy(['up', 'split'], 'manager-server-secret').status).toBe(0);
  });

  it.each([
    ['what kubectl uses', KNOWN_SERVER, '192.0.2.10', '6443'],
    [
      'what kubeadm tells nodes',
      { CLUSTER_INFO: '  server: https://[2001:db8::1]:6443\n' },
      '2001:db8::1',
      '6443',
    ],
    ['a server without a port', { KUBECTL_SERVER: 'https://api.example.org/path' }, 'api.example.org', '443'],
    ['what it is told', { ...KNOWN_SERVER, API_SERVER: '192.0.2.20:8443' }, '192.0.2.20', '8443'],
  ])('tells the agent where the API server is: %s', (_, env, host, port) => {
    const { status, calls } = deploy(['up', 'standalone'], 'nothing', env);
    expect(status).toBe(0);
    expect(calls.find((call) => call.includes('create configmap kubernetes-services-endpoint'))).toMatch(
      new RegExp(`KUBERNETES_SERVICE_HOST=${host} .*KUBERNETES_SERVICE_PORT=${port}$`),
    );
  });

  it('asks for the address of an API server that only this machine reaches', () => {
    const env = { KUBECTL_SERVER: 'https://127.0.0.1:6443' };
    const { status, stderr, calls } = deploy(['up', 'standalone'], 'nothing', env);
    expect(status).toBe(1);
    expect(stderr).toBe(
      "deploy: the API server's address is not known: API_SERVER=host:port, as nodes reach it\n",
    );
    expect(calls).not.toContain('apply -f -');
  });

  it('takes everything away: DaemonSets, what they left on the nodes, the namespace, roles', () => {
    const { status, calls } = deploy(['down']);
    expect(status).toBe(0);
    expect(calls).toEqual([
      'get namespace infra-offload',
      expect.stringMatching(/^--namespace infra-offload get daemonset infraagent-ds .*image\}$/),
      '--namespace infra-offload delete daemonset --all --cascade=foreground --wait --timeout 300s',
      'kustomize cleanup',
      'apply -f -',
      '--namespace infra-offload rollout status daemonset/infra-offload-cleanup --timeout 300s',
      'delete -k cleanup --wait',
      'delete clusterrole,clusterrolebinding --selector app.kubernetes.io/part-of=infra-offload',
      '--namespace kube-system delete role,rolebinding --selector app.kubernetes.io/part-of=infra-offload',
    ]);
  });

  it('writes what it would apply into a file for each overlay, with the images and the API server it is told', () => {
    const env = { REGISTRY: 'registry.example.org:5000/infra', TAG: '9.9', API_SERVER: '192.0.2.20:8443' };
    const { status } = spawnSync(join(ROOT, 'scripts/deploy.sh'), ['manifests', directory], {
      env: { ...process.env, ...env },
    });
    expect(status).toBe(0);
    expect(readdirSync(directory).sort()).toEqual([...OVERLAYS].sort().map((name) => `${name}.yaml`));
    for (const name of OVERLAYS) {
      const manifests = manifestsIn(readFileSync(join(directory, `${name}.yaml`), 'utf8'));
      for (const manifest of manifests) expect(schemaProblems(manifest), manifest.kind).toEqual([]);
      const images = [...podsOf(manifests).values()].flatMap(containersOf).map(({ image }) => image);
      for (const image of images)
        expect(image).toMatch(/^registry\.example\.org:5000\/infra\/(agent|manager|softswitch):9\.9$/);
      expect(manifests.map(({ kind }) => kind).filter((kind) => kind === 'DaemonSet')).toHaveLength(
        name === 'split' ? 1 : 4,
      );
      expect(
        manifests.find(({ metadata }) => metadata.name === 'kubernetes-services-endpoint')?.data,
      ).toEqual({
        KUBERNETES_SERVICE_HOST: '192.0.2.20',
        KUBERNETES_SERVICE_PORT: '8443',
      });
    }
  });

  it('is content when nothing is deployed, and names what it knows', () => {
    expect(deploy(['down'], 'get namespace').status).toBe(0);
    expect(deploy(['up', 'other']).stderr).toContain('calico host split standalone');
  });
});
