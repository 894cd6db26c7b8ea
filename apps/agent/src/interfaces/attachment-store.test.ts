import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
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

  it('says that its directory cannot be used', async () => {
    writeFileSync(directory, '');
    await expect(AttachmentStore.open(directory, logger)).rejects.toThrow(/^state directory .*tap: /);
  });
});
