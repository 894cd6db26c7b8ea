import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Attachment, attachmentFileName } from './attachment.js';
import { AttachmentStore } from './attachment-store.js';

let directory: string;
const logger = pino({ level: 'silent' });

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'infra-agent-store-')), 'tap');
});

afterEach(() => {
  rmSync(join(directory, '..'), { recursive: true, force: true });
});

function attachment(containerId: string, ifname = 'eth0'): Attachment {
  return {
    version: 1,
    phase: 'attached',
    containerId,
    ifname,
    network: 'pods',
    pod: { namespace: 'default', name: 'a' },
    interfaceName: 'P4TAP_1',
    mac: '02:00:00:00:00:01',
    mtu: 1500,
    netns: { path: '/var/run/netns/a', inode: '4026532000' },
    address: '10.0.0.1',
    routes: [{ dst: '0.0.0.0/0', mtu: 1400 }],
  };
}

describe('AttachmentStore', () => {
  it('has after a restart what it had before', async () => {
    const first = await AttachmentStore.open(directory, logger);
    // These two would share a file if the parts were joined by a dash.
    const both = [attachment('a', 'b-c'), attachment('a-b', 'c')];
    for (const each of both) await first.save(each);
    await first.save(attachment('gone'));
    await first.remove(attachment('gone'));
    await first.remove(attachment('never was'));
    const second = await AttachmentStore.open(directory, logger);
    expect(second.values()).toEqual(expect.arrayContaining(both));
    expect(second.size).toBe(2);
    expect(second.get({ containerId: 'a', ifname: 'b-c' })).toEqual(both[0]);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
  });

  it('takes container ids longer than a file name', async () => {
    const [one, two] = [attachment(`${'a'.repeat(300)}1`), attachment(`${'a'.repeat(300)}2`)];
    const store = await AttachmentStore.open(directory, logger);
    await store.save(one);
    await store.save(two);
    expect((await AttachmentStore.open(directory, logger)).size).toBe(2);
  });

  it('keeps what it had when a write fails', async () => {
    const store = await AttachmentStore.open(directory, logger);
    await store.save(attachment('a'));
    // A directory in the place of the file cannot be renamed over.
    rmSync(join(directory, attachmentFileName(attachment('a'))));
    mkdirSync(join(directory, attachmentFileName(attachment('a')), 'x'), { recursive: true });
    await expect(store.save({ ...attachment('a'), mtu: 1400 })).rejects.toMatchObject({ code: 'STATE' });
    expect(store.get(attachment('a'))?.mtu).toBe(1500);
    expect(readdirSync(directory)).toEqual(['a:eth0.json']);
  });

  it('goes on without its directory, refuses what is new, and writes what it kept as soon as it can', async () => {
    writeFileSync(directory, '');
    const store = await AttachmentStore.open(directory, logger);
    expect(store.problem).toMatch(/^attachments cannot be stored in .*tap: EEXIST/);
    await store.adopt(attachment('found'));
    await expect(store.save(attachment('new'))).rejects.toMatchObject({ code: 'STATE' });
    expect(store.values()).toEqual([attachment('found')]);
    rmSync(directory);
    expect(await store.maintain()).toEqual([]);
    expect(store.problem).toBeUndefined();
    expect((await AttachmentStore.open(directory, logger)).values()).toEqual([attachment('found')]);
  });

  it('makes its directory anew if somebody has removed it, and writes everything again', async () => {
    const store = await AttachmentStore.open(directory, logger);
    await store.save(attachment('a'));
    await store.save(attachment('b'));
    rmSync(directory, { recursive: true });
    await store.save(attachment('c'));
    await store.maintain();
    expect(readdirSync(directory).sort()).toEqual(['a:eth0.json', 'b:eth0.json', 'c:eth0.json']);
    rmSync(directory, { recursive: true });
    await store.remove(attachment('a'));
    await store.maintain();
    expect(readdirSync(directory).sort()).toEqual(['b:eth0.json', 'c:eth0.json']);
  });

  it('reads what was unreadable at the start as soon as it can, but not what it has forgotten since', async () => {
    const first = await AttachmentStore.open(directory, logger);
    for (const id of ['kept', 'forgotten', 'changed']) await first.save(attachment(id));
    renameSync(directory, `${directory}.away`);
    writeFileSync(directory, '');
    const store = await AttachmentStore.open(directory, logger);
    for (const id of ['forgotten', 'changed']) await store.adopt({ ...attachment(id), mtu: 1400 });
    await store.remove(attachment('forgotten'));
    rmSync(directory);
    renameSync(`${directory}.away`, directory);
    expect(await store.maintain()).toEqual([attachment('kept')]);
    expect(readdirSync(directory).sort()).toEqual(['changed:eth0.json', 'kept:eth0.json']);
    expect((await AttachmentStore.open(directory, logger)).get(attachment('changed'))?.mtu).toBe(1400);
  });

  it.each<[string, (path: string) => void]>([
    ['is empty', (path) => writeFileSync(path, '')],
    ['was cut', (path) => truncateSync(path, 100)],
    ['is garbage', (path) => writeFileSync(path, Buffer.from([0xff, 0xfe, 0x00, 0x7b]))],
    ['is nested without end', (path) => writeFileSync(path, '['.repeat(30_000))],
    ['has a megabyte', (path) => writeFileSync(path, ' '.repeat(1024 * 1024))],
    ['belongs to somebody else', (path) => chownSync(path, 65_534, 65_534)],
    ['may be written by others', (path) => chmodSync(path, 0o666)],
    [
      'is a directory',
      (path) => {
        rmSync(path);
        mkdirSync(path);
      },
    ],
    [
      'is a pipe that nobody writes to',
      (path) => {
        rmSync(path);
        execFileSync('mkfifo', [path]);
      },
    ],
    [
      'is a link to another one',
      (path) => {
        rmSync(path);
        symlinkSync('good:eth0.json', path);
      },
    ],
    ['is a copy of another one', (path) => copyFileSync(join(directory, 'good:eth0.json'), path)],
  ])('sets a file aside that %s, and has the others', async (_what, damage) => {
    const first = await AttachmentStore.open(directory, logger);
    await first.save(attachment('good'));
    await first.save(attachment('bad'));
    damage(join(directory, 'bad:eth0.json'));
    const store = await AttachmentStore.open(directory, logger);
    expect([store.values(), store.problem]).toEqual([[attachment('good')], undefined]);
    expect(readdirSync(directory).sort()).toEqual(['bad:eth0.json.corrupt', 'good:eth0.json']);
  });

  it('closes a directory that is open to others', async () => {
    mkdirSync(directory, { recursive: true, mode: 0o777 });
    chmodSync(directory, 0o777);
    chownSync(directory, 65_534, 65_534);
    await AttachmentStore.open(directory, logger);
    const { mode, uid } = statSync(directory);
    expect([mode & 0o777, uid]).toEqual([0o700, 0]);
  });
});
