import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManifestsSource } from './manifests-source.js';

let directory: string;
let source: ManifestsSource;
let reports: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'manifests-'));
});

afterEach(async () => {
  await source.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function start(path = directory): Promise<void> {
  reports = [];
  source = new ManifestsSource({
    directory: path,
    onReport: ({ type, problem }) =>
      reports.push(`${type} ${problem.message.replaceAll(`${directory}/`, '')}`),
  });
  await source.start();
}

function service(name: string, port = 80): string {
  return `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {clusterIP: 10.96.0.1, ports: [{port: ${port}}]}\n`;
}

function put(name: string, text: string): void {
  writeFileSync(join(directory, name), text);
}

/** "name:port" of all services. */
function services(): string[] {
  return [...source.services.values()].map(({ name, ports }) => `${name}:${ports[0]?.port}`).sort();
}

async function expectServices(...expected: string[]): Promise<void> {
  await expect.poll(() => services()).toEqual(expected);
}

async function expectReport(pattern: RegExp): Promise<void> {
  await expect.poll(() => reports.join('\n')).toMatch(pattern);
}

describe('ManifestsSource', () => {
  it('reads what is there at the start', async () => {
    put('a.yaml', service('a'));
    put('b.yml', service('b'));
    put('c.json', '{"apiVersion": "v1", "kind": "List", "items": []}');
    put('notes.txt', 'not a manifest');
    put('.hidden.yaml', '[');
    mkdirSync(join(directory, 'deeper'));
    put('deeper/d.yaml', service('d'));
    await start();
    expect(source.hasSynced).toBe(true);
    expect(services()).toEqual(['a:80', 'b:80']);
    expect(reports).toEqual([]);
  });

  it('follows files that come, change and go', async () => {
    await start();
    put('a.yaml', service('a'));
    await expectServices('a:80');
    put('a.yaml', `${service('a', 81)}---\n${service('b')}`);
    await expectServices('a:81', 'b:80');
    put('a.yaml', service('b'));
    await expectServices('b:80');
    unlinkSync(join(directory, 'a.yaml'));
    await expectServices();
  });

  it('tells nothing of objects that stay the same', async () => {
    put('a.yaml', `${service('a')}---\n${service('b')}`);
    await start();
    const events: string[] = [];
    source.services.subscribe(({ type, object }) => events.push(`${type} ${object.name}`));
    put('a.yaml', `# only b changes\n${service('b', 81)}---\n${service('a')}`);
    await expectServices('a:80', 'b:81');
    expect(events).toEqual(['updated b']);
  });

  it('survives editors that write another file and rename it', async () => {
    put('a.yaml', service('a'));
    await start();
    for (const port of [81, 82]) {
      put('.a.yaml.swp', service('a', port));
      renameSync(join(directory, '.a.yaml.swp'), join(directory, 'a.yaml'));
      await expectServices(`a:${port}`);
    }
  });

  it('follows a ConfigMap volume, where a link is switched over', async () => {
    const publish = (version: string, text: string) => {
      mkdirSync(join(directory, version));
      put(`${version}/a.yaml`, text);
      symlinkSync(version, join(directory, '..data_tmp'));
      renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
    };
    publish('..1', service('a'));
    symlinkSync('..data/a.yaml', join(directory, 'a.yaml'));
    await start();
    expect(services()).toEqual(['a:80']);
    publish('..2', service('a', 81));
    await expectServices('a:81');
  });

  it('reads a directory that comes later, goes and comes again', async () => {
    const later = join(directory, 'x', 'y');
    await start(later);
    expect(source.hasSynced).toBe(true);
    expect(reports).toEqual(['problem x/y: the directory does not exist; it will be read when it does']);
    for (const port of [80, 81]) {
      mkdirSync(later, { recursive: true });
      put('x/y/a.yaml', service('a', port));
      await expectServices(`a:${port}`);
      rmSync(join(directory, 'x'), { recursive: true });
      await expectServices();
    }
  });

  it('follows a directory that is a link, switched over', async () => {
    for (const [name, port] of Object.entries({ one: 80, two: 81 })) {
      mkdirSync(join(directory, name));
      put(`${name}/a.yaml`, service('a', port));
    }
    symlinkSync('one', join(directory, 'link'));
    await start(join(directory, 'link'));
    expect(services()).toEqual(['a:80']);
    symlinkSync('two', join(directory, 'new'));
    renameSync(join(directory, 'new'), join(directory, 'link'));
    await expectServices('a:81');
  });

  it('keeps the last good version of a broken object, and of a broken file all', async () => {
    put('a.yaml', service('a'));
    put('b.yaml', service('b'));
    await start();
    put('a.yaml', `${service('new')}---\n${service('a', 80000)}`);
    put('b.yaml', service('b', 81));
    await expectServices('a:80', 'b:81', 'new:80');
    await expectReport(/^problem a\.yaml:9:\d+: Service default\/a: spec\.ports\[0\]\.port: must be/m);
    expect(source.problems).toEqual([
      expect.objectContaining({
        code: 'INVALID_OBJECT',
        line: 9,
        object: 'Service default/a',
        path: 'spec.ports[0].port',
      }),
    ]);
    put('b.yaml', service('b', 82));
    await expectServices('a:80', 'b:82', 'new:80');
    expect(reports).toHaveLength(1);
    put('b.yaml', service('b', 81));
    put('a.yaml', 'kind: [');
    await expectReport(/^problem a\.yaml:1:8: .*; the file's last good state stays in force$/m);
    await expectServices('a:80', 'b:81', 'new:80');
    put('a.yaml', service('a', 82));
    await expectServices('a:82', 'b:81');
    expect(source.problems).toEqual([]);
    expect(reports.filter((report) => report.startsWith('resolved'))).toHaveLength(2);
  });

  it('lets go of a broken file that is removed', async () => {
    put('a.yaml', service('a'));
    await start();
    put('a.yaml', '[');
    await expectReport(/^problem a\.yaml/m);
    unlinkSync(join(directory, 'a.yaml'));
    await expectServices();
    await expectReport(/^resolved a\.yaml/m);
  });

  it('takes the first of two objects with the same name, by file name, and tells', async () => {
    put('b.yaml', service('a', 82));
    put('a.yaml', `${service('a', 80)}---\n${service('a', 81)}`);
    await start();
    expect(services()).toEqual(['a:80']);
    expect(reports).toEqual([
      'problem a.yaml:6:1: Service default/a: is defined in this file already, too; the first counts',
      `problem b.yaml:1:1: Service default/a: is defined in a.yaml, too; the first counts`,
    ]);
    unlinkSync(join(directory, 'a.yaml'));
    await expectServices('a:82');
    expect(source.problems).toEqual([]);
  });

  it('reports what is named like a manifest but is none', async () => {
    mkdirSync(join(directory, 'a.yaml'));
    symlinkSync('nowhere', join(directory, 'b.yaml'));
    put('c.yaml', service('c'));
    await start();
    expect(services()).toEqual(['c:80']);
    expect(reports).toEqual([
      'problem a.yaml: is not a regular file',
      'problem b.yaml: is a link that leads nowhere',
    ]);
    unlinkSync(join(directory, 'b.yaml'));
    await expectReport(/^resolved b\.yaml/m);
  });

  it('keeps what it has when the directory turns into something else', async () => {
    mkdirSync(join(directory, 'd'));
    put('d/a.yaml', service('a'));
    await start(join(directory, 'd'));
    renameSync(join(directory, 'd'), join(directory, 'e'));
    put('d', 'a file');
    await expectReport(/^problem d: ENOTDIR/m);
    expect(services()).toEqual(['a:80']);
  });

  it('stops, and does not start again', async () => {
    put('a.yaml', service('a'));
    await start();
    await source.stop();
    await source.start();
    const stopped = source;
    await start();
    put('a.yaml', service('a', 81));
    await expectServices('a:81');
    expect([...stopped.services.values()].map(({ ports }) => ports[0]?.port)).toEqual([80]);
  });
});
