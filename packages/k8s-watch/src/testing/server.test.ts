import { mkdtempSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DirectoryFollower } from './directory.js';
import { FakeApiServer } from './server.js';

let server: FakeApiServer;
beforeEach(async () => {
  server = await FakeApiServer.start({ historySize: 5, bookmarkMs: 30 });
});
afterEach(() => server.stop());

const service = (name: string, labels: Record<string, string> = {}) => ({
  kind: 'Service',
  metadata: { name, labels },
  spec: { ports: [{ port: 80 }] },
});

interface Answer {
  readonly status: number;
  readonly body: {
    readonly metadata: { readonly continue?: string };
    readonly items: readonly { readonly metadata: { readonly name: string } }[];
  };
}

async function get(path: string): Promise<Answer> {
  const response = await fetch(`${server.url}${path}`);
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

const names = ({ body }: Answer) => body.items.map(({ metadata }) => metadata.name);

/** "ADDED web" and so on, until the server ends the watch or the number is reached. */
async function watch(query: string, count: number, write: () => void = () => {}): Promise<string[]> {
  const response = await fetch(`${server.url}/api/v1/services?watch=true&${query}`);
  write();
  const lines: string[] = [];
  let rest = '';
  for await (const chunk of response.body ?? []) {
    const parts = (rest + Buffer.from(chunk).toString()).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      const { type, object } = JSON.parse(part);
      lines.push(`${type} ${object.metadata?.name ?? object.code ?? object.metadata?.resourceVersion}`);
    }
    if (lines.length >= count) break;
  }
  return lines;
}

describe('lists', () => {
  it('come in pages of one state, without the kinds of items, until that state is forgotten', async () => {
    for (const name of ['c', 'a', 'b']) server.database.create(service(name));
    const first = await get('/api/v1/services?limit=2');
    expect(names(first)).toEqual(['a', 'b']);
    expect(first.body).toMatchObject({
      kind: 'ServiceList',
      metadata: { resourceVersion: '1003', remainingItemCount: 1 },
    });
    expect(first.body.items[0]).not.toHaveProperty('kind');
    server.database.create(service('d'));
    server.database.delete({ kind: 'Service', name: 'c' });
    const next = `/api/v1/services?limit=2&continue=${first.body.metadata.continue}`;
    const second = await get(next);
    expect([names(second), second.body.metadata]).toEqual([['c'], { resourceVersion: '1003' }]);
    server.database.compact();
    expect(await get(next)).toMatchObject({
      status: 410,
      body: { kind: 'Status', reason: 'Expired', code: 410 },
    });
    expect(await get('/api/v1/services?continue=x')).toMatchObject({ status: 400 });
  });

  it('select by labels, fields and namespace', async () => {
    server.database.create(service('a', { app: 'web' }));
    server.database.create(service('b', { app: 'db', headless: '' }));
    server.database.create({ ...service('c'), metadata: { name: 'c', namespace: 'other' } });
    const list = async (query: string) => names(await get(`/api/v1/services?${query}`));
    expect(await list('labelSelector=!headless')).toEqual(['a', 'c']);
    expect(await list('labelSelector=app in (web,db),headless')).toEqual(['b']);
    expect(await list('labelSelector=app!=web')).toEqual(['b', 'c']);
    expect(await list('labelSelector=app notin (web)')).toEqual(['b', 'c']);
    expect(await list('labelSelector=app==web')).toEqual(['a']);
    expect(await list('fieldSelector=metadata.name=b')).toEqual(['b']);
    expect(names(await get('/api/v1/namespaces/other/services'))).toEqual(['c']);
    expect(await get('/api/v1/services?fieldSelector=spec.ports=1')).toMatchObject({ status: 400 });
    expect(await get('/api/v1/namespaces/default/services/a')).toMatchObject({
      status: 200,
      body: { kind: 'Service' },
    });
    expect(await get('/api/v1/secrets')).toMatchObject({ status: 404 });
  });
});

describe('watches', () => {
  it('tell changes after a version, as the selector sees them', async () => {
    server.database.create(service('a', { app: 'web' }));
    const lines = await watch('resourceVersion=1001&labelSelector=app', 4, () => {
      server.database.create(service('b'));
      server.database.update(service('b', { app: 'db' }));
      server.database.patch({ kind: 'Service', name: 'a' }, { spec: { type: 'NodePort' } });
      server.database.patch({ kind: 'Service', name: 'a' }, { metadata: { labels: { app: null } } });
      server.database.delete({ kind: 'Service', name: 'b' });
    });
    expect(lines).toEqual(['ADDED b', 'MODIFIED a', 'DELETED a', 'DELETED b']);
  });

  it('begin with everything without a version, and send bookmarks if asked to', async () => {
    server.database.create(service('a'));
    expect(await watch('allowWatchBookmarks=true', 2)).toEqual(['ADDED a', 'BOOKMARK 1001']);
    expect(await watch('timeoutSeconds=1&resourceVersion=1001', 9)).toEqual([]);
  });

  it('tell by an ERROR event that the version is forgotten, and wait for one that is to come', async () => {
    for (let i = 0; i < 7; i++) server.database.create(service(`s${i}`));
    expect(await watch('resourceVersion=1001', 1)).toEqual(['ERROR 410']);
    expect((await watch('resourceVersion=1002', 5)).length).toBe(5);
    const late = watch('resourceVersion=1008', 1, () => {
      server.database.create(service('too-early'));
      server.database.create(service('in-time'));
    });
    expect(await late).toEqual(['ADDED in-time']);
  });
});

describe('faults', () => {
  it('happen to as many requests as they are for', async () => {
    server.inject({
      fault: { type: 'status', status: 429, retryAfterSeconds: 7 },
      verb: 'list',
      resource: 'services',
    });
    const response = await fetch(`${server.url}/api/v1/services`);
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '7']);
    expect((await get('/api/v1/services')).status).toBe(200);
    server.inject({ fault: { type: 'cut', afterBytes: 10 } });
    await expect(get('/api/v1/services')).rejects.toThrow();
    server.inject({ fault: { type: 'duplicate' } }, { fault: { type: 'pieces', bytes: 3 } });
    server.database.create(service('ä'));
    expect(await watch('', 2)).toEqual(['ADDED ä', 'ADDED ä']);
  });

  it('may be a restart from a backup, with lower versions', async () => {
    const backup = server.database.backup();
    server.database.create(service('a'));
    const { url } = server;
    await server.restart({ backup });
    expect(server.url).toBe(url);
    expect((await get('/api/v1/services')).body).toMatchObject({
      metadata: { resourceVersion: '1000' },
      items: [],
    });
  });
});

it('follows a directory of manifests', () => {
  const directory = mkdtempSync(join(tmpdir(), 'fake-apiserver-'));
  const errors: string[] = [];
  const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
  write(
    'a.yaml',
    'apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\nkind: Secret\nmetadata: {name: s}\n',
  );
  write(
    'b.json',
    JSON.stringify({ kind: 'List', items: [service('b'), { kind: 'Node', metadata: { name: 'n' } }] }),
  );
  const { database } = server;
  const follower = new DirectoryFollower({
    database,
    directory,
    onError: (message) => errors.push(message),
  });
  try {
    const all = () => [...database.values('Service')].map(({ metadata }) => metadata.name);
    expect(all()).toEqual(['a', 'b']);
    const { version } = database;
    follower.look();
    expect(database.version).toBe(version);
    // What looks the same by size and time of change, for it was put back, is another file nevertheless.
    const { atime, mtime, size } = statSync(join(directory, 'b.json'));
    write('new', JSON.stringify({ kind: 'List', items: [service('c')] }).padEnd(size));
    utimesSync(join(directory, 'new'), atime, mtime);
    renameSync(join(directory, 'new'), join(directory, 'b.json'));
    follower.look();
    expect(all()).toEqual(['a', 'c']);
    write('a.yaml', '{');
    rmSync(join(directory, 'b.json'));
    follower.look();
    follower.look();
    expect(all()).toEqual(['a']);
    expect(database.get({ kind: 'Node', name: 'n' })).toBeUndefined();
    expect(errors).toHaveLength(1);
  } finally {
    follower.close();
    rmSync(directory, { recursive: true });
  }
});
