import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { type Manifest, manifestsIn, ROOT } from '../manifests.js';
import { Templates } from './evaluate.js';
import { type Dict, isDict } from './functions.js';
import { parseTemplate } from './parse.js';

export interface Release {
  readonly name: string;
  readonly namespace: string;
  /** What is not as in values.yaml. */
  readonly values?: Dict;
  /** What `lookup` finds. */
  readonly cluster?: readonly Manifest[];
}

/** Whether the charts are tried with Helm itself, and not only with this project's reading of it. */
export const HAS_HELM = spawnSync('helm', ['version']).status === 0;

/** As `make chart`, into a directory of its own; REGISTRY and TAG name the images. */
export class Chart {
  readonly #directory = mkdtempSync(join(tmpdir(), 'infra-offload-chart-'));
  readonly folder = join(this.#directory, 'infra-offload');

  constructor(env: Readonly<Record<string, string>> = {}) {
    execFileSync(join(ROOT, 'scripts/deploy.sh'), ['chart', this.#directory], {
      env: { ...process.env, ...env },
    });
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  read(name: string): string {
    return readFileSync(join(this.folder, name), 'utf8');
  }

  /** What is handed on. */
  archive(): Buffer {
    return readFileSync(`${this.folder}-${parse(this.read('Chart.yaml')).version}.tgz`);
  }

  /** As `helm template`. */
  manifests(release: Release): Manifest[] {
    const own = objectsIn(this.#render(release, 'manifests'));
    if (HAS_HELM && release.cluster === undefined) return objectsIn(this.#byHelm(release));
    return own;
  }

  /** What `helm install` says. */
  notes(release: Release): string {
    return this.#render(release, 'notes');
  }

  #render({ name, namespace, values = {}, cluster = [] }: Release, part: 'manifests' | 'notes'): string {
    const files = readdirSync(join(this.folder, 'templates')).map((file) => ({
      file,
      template: parseTemplate(this.read(join('templates', file))),
    }));
    const lookup = (apiVersion: unknown, kind: unknown, space: unknown, wanted: unknown) =>
      cluster.find(
        (object) =>
          object.apiVersion === apiVersion &&
          object.kind === kind &&
          object.metadata.namespace === space &&
          object.metadata.name === wanted,
      ) ?? {};
    const templates = new Templates(
      files.map(({ template }) => template),
      { lookup },
    );
    const { name: chart, version, appVersion } = parse(this.read('Chart.yaml'));
    const data = () => ({
      Values: merged(parse(this.read('values.yaml')), values),
      Chart: { Name: chart, Version: version, AppVersion: String(appVersion) },
      Release: { Name: name, Namespace: namespace, Service: 'Helm' },
      Files: { Get: (file: unknown) => this.#fileOrNothing(String(file)) },
    });
    return files
      .filter(({ file }) => !file.startsWith('_') && (file === 'NOTES.txt') === (part === 'notes'))
      .map(({ template }) => templates.render(template.body, data()))
      .join('\n---\n');
  }

  #fileOrNothing(file: string): string {
    return existsSync(join(this.folder, file)) ? this.read(file) : '';
  }

  #byHelm({ name, namespace, values = {} }: Release): string {
    const file = join(this.#directory, 'values.yaml');
    writeFileSync(file, stringify(values));
    execFileSync('helm', ['lint', '--strict', '--values', file, this.folder]);
    const args = ['template', name, this.folder, '--namespace', namespace, '--values', file];
    return execFileSync('helm', args, { encoding: 'utf8' });
  }
}

function objectsIn(text: string): Manifest[] {
  return manifestsIn(text).filter((object) => object !== null);
}

/** As Helm lays values of a release over those of the chart. */
function merged(under: Dict, over: Dict): Dict {
  const both = Object.entries(over).map(([key, value]) => {
    const below = under[key];
    return [key, isDict(below) && isDict(value) ? merged(below, value) : value] as const;
  });
  return { ...under, ...Object.fromEntries(both) };
}
