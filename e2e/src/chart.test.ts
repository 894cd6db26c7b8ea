/** The Helm chart says what the manifests say, and its values change what an overlay of one's own would. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import * as z from 'zod';
import { loadConfig as loadAgentConfig } from '../../apps/agent/src/config/load.js';
import { loadConfig as loadManagerConfig } from '../../apps/manager/src/config/load.js';
import { readConfig as readSoftswitchConfig } from '../../packages/softswitch/src/config.js';
import { EXCEPTIONS } from './deploy/exceptions.js';
import { Chart, HAS_HELM, type Release } from './deploy/helm/chart.js';
import { Templates } from './deploy/helm/evaluate.js';
import type { Dict } from './deploy/helm/functions.js';
import { parseTemplate, TemplateError } from './deploy/helm/parse.js';
import { schemaProblems } from './deploy/manifest-schema.js';
import { built, builtFrom, containersOf, type Manifest, OVERLAYS, podsOf, ROOT } from './deploy/manifests.js';
import { rightsOf } from './deploy/rights.js';

if (!HAS_HELM)
  console.log("Helm is not installed: the chart is rendered by this project's own reading of it");

const RELEASE: Release = { name: 'net', namespace: 'infra-offload' };
const FLAVOURS = [...OVERLAYS, 'cleanup'] as const;
const WITH_TARGET = ['standalone', 'host', 'calico'] as const;
const folderOf = (flavour: string) => (flavour === 'cleanup' ? flavour : `overlays/${flavour}`);
const HELM_LABELS = {
  'helm.sh/chart': 'infra-offload-0.1.0',
  'app.kubernetes.io/instance': RELEASE.name,
  'app.kubernetes.io/managed-by': 'Helm',
  'app.kubernetes.io/version': '0.1.0',
};

let chart: Chart;
let directory: string;
beforeAll(() => {
  chart = new Chart();
  directory = mkdtempSync(join(tmpdir(), 'infra-offload-chart-test-'));
});
afterAll(() => {
  chart.remove();
  rmSync(directory, { recursive: true, force: true });
});

const rendered = (values: Dict = {}, more: Partial<Release> = {}) =>
  chart.manifests({ ...RELEASE, values, ...more });

/**
 * How a chart differs from the output of `kubectl kustomize`: there is no other difference. Namespaces are the user's,
 * objects have Helm's labels, and ConfigMaps keep their names.
 */
function asInAChart(manifests: readonly Manifest[]): Manifest[] {
  const maps = manifests.filter(({ kind }) => kind === 'ConfigMap').map(({ metadata }) => metadata.name);
  const text = maps.reduce(
    (text, name) => text.replaceAll(name, name.replace(/-[a-z0-9]{10}$/, '')),
    JSON.stringify(manifests),
  );
  const renamed: readonly Manifest[] = JSON.parse(text);
  return renamed
    .filter(({ kind }) => kind !== 'Namespace')
    .map(({ metadata, ...rest }) => ({
      ...rest,
      metadata: { ...metadata, labels: { ...metadata.labels, ...HELM_LABELS } },
    }));
}

/** And pods note what is in their ConfigMaps. */
function withoutChecksums(manifests: readonly Manifest[]): Manifest[] {
  return JSON.parse(JSON.stringify(manifests), (key, value) => {
    if (key !== 'annotations') return value;
    const others = Object.entries(value).filter(([name]) => !name.startsWith('checksum/'));
    return others.length === 0 ? undefined : Object.fromEntries(others);
  });
}

function byName(manifests: readonly Manifest[]): Readonly<Record<string, Manifest>> {
  const entries = manifests.map((manifest) => {
    const { kind, metadata } = manifest;
    return [`${kind} ${metadata.namespace ?? ''}/${metadata.name}`, manifest] as const;
  });
  expect(new Set(entries.map(([name]) => name)).size).toBe(entries.length);
  return Object.fromEntries(entries);
}

const containersIn = (manifests: readonly Manifest[]) =>
  [...podsOf(manifests).values()].flatMap(containersOf);
const dataOf = (manifests: readonly Manifest[], name: string) =>
  manifests.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === name)?.data as
    | Readonly<Record<string, string>>
    | undefined;

describe.each(FLAVOURS)('with the flavour %s', (flavour) => {
  it('the chart has the objects of the manifests', () => {
    const objects = rendered({ flavour });
    for (const object of objects) expect(schemaProblems(object), object.kind).toEqual([]);
    expect(byName(withoutChecksums(objects))).toEqual(byName(asInAChart(built(folderOf(flavour)))));
  });

  it('everything is in the namespace of the release, but for rights in others', () => {
    for (const { kind, metadata, subjects } of rendered({ flavour }, { namespace: 'networks' })) {
      if (['ClusterRole', 'ClusterRoleBinding'].includes(kind)) expect(metadata.namespace).toBeUndefined();
      else
        expect(metadata.namespace).toBe(['Role', 'RoleBinding'].includes(kind) ? 'kube-system' : 'networks');
      if (kind.endsWith('Binding')) expect(subjects).toMatchObject([{ namespace: 'networks' }]);
    }
  });

  it('notes say what to look at', () => {
    expect(chart.notes({ ...RELEASE, values: { flavour } })).toContain('kubectl -n infra-offload ');
  });
});

describe('images', () => {
  const REGISTRY = 'registry.example.org:5000/infra';
  const PATTERN = /^registry\.example\.org:5000\/infra\/(agent|manager|softswitch):9\.9$/;

  it.each(FLAVOURS)('are named by values, or when the chart is built, in every container: %s', (flavour) => {
    const values = { flavour, image: { registry: REGISTRY, tag: '9.9' } };
    for (const { image } of containersIn(rendered(values))) expect(image).toMatch(PATTERN);
    const built = new Chart({ REGISTRY, TAG: '9.9' });
    try {
      const objects = built.manifests({ ...RELEASE, values: { flavour } });
      for (const { image } of containersIn(objects)) expect(image).toMatch(PATTERN);
      expect(objects[0]?.metadata.labels).toMatchObject({ 'app.kubernetes.io/version': '9.9' });
    } finally {
      built.remove();
    }
  });

  it('may be pinned one by one, and pulled with Secrets and a policy', () => {
    const agent = `${REGISTRY}/x@sha256:${'0'.repeat(64)}`;
    const objects = rendered({
      agent: { image: agent },
      image: { pullPolicy: 'Always', pullSecrets: [{ name: 'registry' }] },
    });
    const images = containersIn(objects).map(({ image }) => image);
    expect(images.filter((image) => image === agent)).toHaveLength(3);
    expect(images).toContain('infra-offload/manager:0.1.0');
    expect(containersIn(objects).every(({ imagePullPolicy }) => imagePullPolicy === 'Always')).toBe(true);
    for (const pod of podsOf(objects).values()) expect(pod.imagePullSecrets).toEqual([{ name: 'registry' }]);
  });
});

describe('the address of the API server', () => {
  const endpoint = (values: Dict, server?: string) =>
    dataOf(
      rendered(values, server === undefined ? {} : { cluster: [clusterInfo(server)] }),
      'kubernetes-services-endpoint',
    );
  const clusterInfo = (server: string): Manifest => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'cluster-info', namespace: 'kube-public' },
    data: { kubeconfig: stringify({ clusters: [{ cluster: { server } }] }) },
  });

  it.each([
    ['a value', { apiServer: { host: '192.0.2.20', port: 8443 } }, undefined, '192.0.2.20', '8443'],
    ['a value without a port', { apiServer: { host: '192.0.2.20' } }, undefined, '192.0.2.20', '6443'],
    ['a value before that of kubeadm', { apiServer: { host: 'a.b' } }, 'https://192.0.2.10:1', 'a.b', '6443'],
    ['what kubeadm tells nodes', {}, 'https://192.0.2.10:6444', '192.0.2.10', '6444'],
    ['IPv6', {}, 'https://[2001:db8::1]:6443', '2001:db8::1', '6443'],
    ['a server without a port', {}, 'https://api.example.org/path', 'api.example.org', '443'],
  ])('is %s', (_, values, server, host, port) => {
    const expected = { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port };
    expect(endpoint(values, server)).toEqual(expected);
  });

  it('is asked for if nobody knows it', () => {
    expect(endpoint({})).toBeUndefined();
    expect(chart.notes(RELEASE)).toContain('--set apiServer.host=');
    const values = { apiServer: { host: '192.0.2.20' } };
    expect(chart.notes({ ...RELEASE, values })).not.toContain('apiServer');
  });
});

describe('settings', () => {
  const loaded = <T>(load: (file: string) => T, text: string | undefined): T => {
    const file = join(directory, 'settings.yaml');
    writeFileSync(file, text ?? '');
    return load(file);
  };

  it('are laid over those of the flavour, setting by setting, empty ones too', () => {
    const objects = rendered({
      flavour: 'calico',
      agent: { config: { masquerade: { enabled: false }, calico: { listen: '127.0.0.1:50001' } } },
      manager: { config: { target: { gnmiAddress: 'localhost:9340' } } },
      softswitch: { config: { taps: { mtu: 9000 }, keptDataplane: false } },
    });
    const agent = loaded(loadAgentConfig, dataOf(objects, 'infraagent-config')?.['infraagent-config.yaml']);
    expect(agent).toMatchObject({
      masquerade: { enabled: false },
      calico: { listen: '127.0.0.1:50001' },
      networkPolicy: 'felix',
      kubernetes: {},
    });
    const manager = dataOf(objects, 'inframanager-config')?.['inframanager-config.yaml'];
    expect(loaded(loadManagerConfig, manager).target).toMatchObject({
      p4runtimeAddress: 'localhost:9559',
      gnmiAddress: 'localhost:9340',
    });
    const softswitch = dataOf(objects, 'infra-softswitch-config')?.['softswitch.yaml'];
    expect(loaded(readSoftswitchConfig, softswitch)).toMatchObject({
      taps: { count: 128, mtu: 9000 },
      keptDataplane: false,
    });
  });

  it('that change replace the pods that read them, and no others', () => {
    const checksums = (values: Dict) =>
      Object.fromEntries(
        rendered(values)
          .filter(({ kind }) => kind === 'DaemonSet')
          .map(({ metadata, spec }) => [metadata.name, JSON.stringify(spec).match(/"checksum\/.*?":".*?"/g)]),
      );
    const before = checksums({});
    expect(before['infraagent-ds']).toHaveLength(2);
    expect(checksums({})).toEqual(before);
    const after = checksums({ manager: { config: { log: { level: 'debug' } } } });
    const changed = Object.keys(before).filter((name) => `${before[name]}` !== `${after[name]}`);
    expect(changed).toEqual(['inframanager-ds']);
  });

  it('of pods: resources, and where they run', () => {
    const objects = rendered({
      agent: { resources: { limits: { memory: '2Gi' } } },
      dataplane: { resources: { requests: { cpu: '2' } } },
      nodeSelector: { network: 'offload' },
      tolerations: [{ key: 'only', operator: 'Exists' }],
    });
    const pods = podsOf(objects);
    const resources = (set: string) => pods.get(set)?.containers[0]?.resources;
    expect(resources('infraagent-ds')).toEqual({
      requests: { cpu: '100m', memory: '128Mi' },
      limits: { memory: '2Gi' },
    });
    expect(resources('infra-dataplane')).toEqual({ requests: { cpu: '2', memory: '192Mi' } });
    expect(pods.size).toBe(4);
    for (const { nodeSelector, tolerations } of pods.values()) {
      expect(nodeSelector).toEqual({ 'kubernetes.io/os': 'linux', network: 'offload' });
      expect(tolerations).toEqual([{ key: 'only', operator: 'Exists' }]);
    }
  });
});

describe('DPDK', () => {
  /** The settings as data: those of the chart are written without comments. */
  const read = (manifests: readonly Manifest[]) =>
    manifests.map((manifest) => {
      const text = (manifest.data as Dict | undefined)?.['softswitch.yaml'];
      return text === undefined
        ? manifest
        : { ...manifest, data: { 'softswitch.yaml': parse(String(text)) } };
    });

  it.each(
    WITH_TARGET.flatMap((flavour) => [
      { flavour, component: 'dpdk', hugePages: '' },
      { flavour, component: 'dpdk-huge-pages', hugePages: '2Mi' },
    ]),
  )('is what the component $component makes of $flavour', ({ flavour, component, hugePages }) => {
    const overlay = join(directory, `${flavour}-${component}`);
    mkdirSync(overlay);
    const there = (folder: string) => relative(overlay, join(ROOT, 'deploy', folder));
    const kustomization = {
      resources: [there(folderOf(flavour))],
      components: [there(`components/${component}`)],
    };
    writeFileSync(join(overlay, 'kustomization.yaml'), stringify(kustomization));
    const objects = rendered({ flavour, dataplane: { kind: 'dpdk', hugePages } });
    expect(byName(read(withoutChecksums(objects)))).toEqual(byName(read(asInAChart(builtFrom(overlay)))));
  });

  it('has one right more in huge pages', () => {
    const rights = (hugePages: string) => {
      const pod = podsOf(rendered({ dataplane: { kind: 'dpdk', hugePages } })).get('infra-dataplane');
      return pod === undefined ? [] : rightsOf(pod);
    };
    const usual = EXCEPTIONS['overlays/standalone']?.['infra-dataplane'] ?? [];
    expect(rights('')).toEqual([...usual].sort());
    expect(rights('2Mi')).toEqual([...usual, 'dataplane: capability SYS_NICE'].sort());
  });

  it('gets the memory that it allocates', () => {
    const resources = (hugePages: string) =>
      podsOf(
        rendered({
          dataplane: { kind: 'dpdk', hugePages },
          softswitch: { config: { dpdk: { memoryMb: 2048 } } },
        }),
      ).get('infra-dataplane')?.containers[0]?.resources;
    expect(resources('')).toEqual({ requests: { cpu: '250m', memory: '2240Mi' } });
    expect(resources('1Gi')).toEqual({
      requests: { cpu: '250m', memory: '192Mi' },
      limits: { 'hugepages-1Gi': '2048Mi' },
    });
  });
});

describe('values', () => {
  const source = (name: string) => readFileSync(join(ROOT, 'deploy/helm/infra-offload', name), 'utf8');
  const schema = z.fromJSONSchema(JSON.parse(source('values.schema.json')));
  const defaults: Dict = parse(source('values.yaml'));

  it('have a schema, which takes the defaults and refuses what is unknown or of another type', () => {
    expect(schema.safeParse(defaults).error).toBeUndefined();
    expect(schema.safeParse({ ...defaults, global: { any: 1 } }).success).toBe(true);
    for (const wrong of [
      { flavor: 'host' },
      { flavour: 'other' },
      { image: { name: 'x' } },
      { agent: { config: 'text' } },
      { agent: { replicas: 1 } },
      { dataplane: { hugePages: 1024 } },
      { apiServer: { port: 0 } },
    ])
      expect(schema.safeParse(wrong).success, JSON.stringify(wrong)).toBe(false);
  });

  it('are all in the README, with their defaults', () => {
    const rows = source('README.md').match(/^\| `.*$/gm) ?? [];
    const listed = rows.flatMap((row) => {
      const [, names = '', value = ''] = row.split('|').map((cell) => cell.trim());
      return [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => [name, value]);
    });
    const leaves = (dict: Dict, path: string): [string, string][] =>
      Object.entries(dict).flatMap(([key, value]) =>
        typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0
          ? leaves(value as Dict, `${path}${key}.`)
          : [
              [
                `${path}${key}`,
                `\`${Array.isArray(value) && value.length > 0 ? 'all' : JSON.stringify(value)}\``,
              ],
            ],
      );
    expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(leaves(defaults, '')));
  });
});

describe('the package', () => {
  it('has the version of the programs', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'apps/agent/package.json'), 'utf8'));
    expect(parse(chart.read('Chart.yaml'))).toMatchObject({ version, appVersion: version });
  });

  it('is the same each time', () => {
    const again = new Chart();
    try {
      expect(again.archive().equals(chart.archive())).toBe(true);
    } finally {
      again.remove();
    }
  });

  it('does without a flavour that was not built into it, and says so', () => {
    expect(() => rendered({ flavour: 'other' })).toThrow(/no files\/other\.yaml in this chart: make chart/);
  });
});

describe('templates that are rendered here', () => {
  const render = (source: string, data: unknown = {}) => {
    const template = parseTemplate(source);
    return new Templates([template], {}).render(template.body, data);
  };

  it('mean what they mean to Go', () => {
    expect(render('a {{- /* is not seen */}} b', {})).toBe('a b');
    expect(render('{{ define "x" }}{{ $.a }}{{ end }}[ {{- include "x" . -}} ]', { a: 'b' })).toBe('[b]');
    expect(
      render('{{ $n := "0" }}{{ range $k, $v := . }}{{ $n = $k }}{{ end }}{{ $n }}', { b: 1, a: 2 }),
    ).toBe('b');
    expect(render('{{ if .a }}1{{ else if eq .b 2 }}2{{ else }}3{{ end }}', { a: '', b: 2 })).toBe('2');
    expect(
      render('{{ range .l }}{{ . }},{{ end }}{{ printf "%s-%d" (list "x" | first) 3 }}', { l: [1, 2] }),
    ).toBe('1,2,x-3');
  });

  it.each([
    '{{ with .a }}{{ end }}',
    '{{ template "x" . }}',
    '{{ range .l }}{{ break }}{{ end }}',
    '{{ if .a }}',
    '{{ end }}',
    '{{ .a',
    "{{ 'c' }}",
    '{{ `raw` }}',
    '{{ now }}',
    '{{ .missing }}',
    '{{ .missing.field }}',
    '{{ .l }}',
    '{{ $undeclared }}',
    '{{ if $x := .l }}{{ end }}',
    '{{ range .l }}{{ else }}{{ end }}',
    '{{ eq .l .l }}',
    '{{ .l 1 }}',
    '{{ (list 1 }}',
    '{{ list 1 ) }}',
    '{{ include "nothing" . }}',
  ])('are refused if they contain anything else: %s', (source) => {
    expect(() => render(source, { l: [1] })).toThrow(TemplateError);
  });
});
