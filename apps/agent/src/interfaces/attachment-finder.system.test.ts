import { pino } from 'pino';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { attachmentOf } from '../testing/attachments.js';
import type { Attachment } from './attachment.js';
import { findAttachments } from './attachment-finder.js';
import { linkMark, namespaceMark, newNamespaceId, readLinkMark, readNamespaceMark } from './marks.js';
import type { NetnsReference } from './netns.js';

const { commands, namespaces } = await vi.hoisted(async () => {
  const { FakeCommands } = await import('../testing/fake-commands.js');
  const namespaces: NetnsReference[] = [];
  return { commands: new FakeCommands(), namespaces };
});
vi.mock('./command.js', () => ({ runCommand: commands.run }));
vi.mock('./namespaces.js', () => ({ listNamespaces: async () => [...namespaces] }));

afterEach(() => {
  namespaces.length = 0;
  commands.verify();
});

const logger = pino({ level: 'silent' });
const netns = { path: '/var/run/netns/pod', inode: '4026532000' };
const pod = { namespace: 'shop', name: 'cart' };
const id = '0123456789abcdef';

/** What `ip` tells of a namespace with the attachment's link in it. */
function record(attachment: Attachment, link: object, routes: readonly object[] = []): void {
  namespaces.push(netns);
  const inside = `nsenter --net=${netns.path} ip`;
  const lo = { ifindex: 1, ifname: 'lo', flags: ['LOOPBACK'], mtu: 65536, ifalias: namespaceMark(id, pod) };
  commands.expect(
    {
      command: `${inside} -details -json address show`,
      stdout: [lo, { ifindex: 7, ifname: 'eth0', mtu: 1450, ifalias: linkMark(attachment), ...link }],
    },
    { command: `${inside} -json -4 route show table all dev eth0`, stdout: routes },
  );
}

describe('findAttachments', () => {
  it.each<[string, Parameters<typeof attachmentOf>[0], object]>([
    [
      'virtual function',
      { name: 'ens801f0v2', mac: '00:02:00:00:03:18', device: 'pci/0000:18:01.2' },
      { parentbus: 'pci', parentdev: '0000:18:01.2' },
    ],
    [
      'subfunction',
      { name: 'ens801f0d6', mac: '00:06:00:00:03:14', device: 'auxiliary/idpf.sf.6' },
      { parentbus: 'auxiliary', parentdev: 'idpf.sf.6' },
    ],
    [
      'port of a physical function',
      { name: 'ens801f0d6', mac: '00:06:00:00:03:14', device: 'pci/0000:af:00.0/6' },
      { parentbus: 'pci', parentdev: '0000:af:00.0' },
    ],
    [
      'child of ipvlan',
      { name: 'infra_pod1', mac: '02:fc:00:00:00:01' },
      { linkinfo: { info_kind: 'ipvlan', info_data: { mode: 'l3' } } },
    ],
    ['TAP', { name: 'P4TAP_3', mac: '02:50:34:00:00:03' }, { linkinfo: { info_kind: 'tun' } }],
  ])('makes of a %s in a pod what was attached', async (_what, allocated, link) => {
    const routes = [
      { dst: '0.0.0.0/0', mtu: 1400 },
      { dst: '10.0.0.7/32', priority: 5, table: 100 },
    ];
    const attachment = attachmentOf(allocated, '/proc/self/ns/net', {
      netns: { ...netns, mark: id },
      pod,
      routes,
    });
    record(attachment, { address: allocated.mac, ...link }, [
      { dst: '169.254.1.1', dev: 'eth0', scope: 'link' },
      { dst: 'default', gateway: '169.254.1.1', dev: 'eth0', metrics: [{ mtu: 1400 }] },
      { dst: '10.0.0.7', gateway: '169.254.1.1', dev: 'eth0', metric: 5, table: '100' },
      { dst: '10.9.0.0/16', gateway: '10.0.0.9', dev: 'eth0' },
    ]);
    expect(await findAttachments([], () => true, [], logger)).toEqual([attachment]);
  });

  it('leaves alone what is known, of another node, or not of this kind', async () => {
    const attachment = attachmentOf({ name: 'P4TAP_3', mac: '02:50:34:00:00:03' }, '/proc/self/ns/net');
    record(attachment, { address: attachment.mac });
    expect(await findAttachments([attachment], () => true, [], logger)).toEqual([]);
    commands.verify();
    namespaces.length = 0;
    record(attachment, { address: attachment.mac });
    expect(await findAttachments([], () => false, [], logger)).toEqual([]);
    commands.verify();
    namespaces.length = 0;
    namespaces.push(netns);
    const ifalias = linkMark(attachment).replace(/^(infra-offload\|1)\|[0-9]+/, '$1|1');
    commands.expect({
      command: `nsenter --net=${netns.path} ip -details -json address show`,
      stdout: [{ ifindex: 7, ifname: 'eth0', address: attachment.mac, ifalias }],
    });
    expect(await findAttachments([], () => true, [], logger)).toEqual([]);
  });
});

describe('marks', () => {
  const attachment = attachmentOf({ name: 'P4TAP_3', mac: '02:50:34:00:00:03' }, '/proc/self/ns/net', {
    pod,
  });

  it('have what the kernel has room for: names of pods and networks go first', () => {
    expect(readLinkMark(linkMark(attachment))).toMatchObject({ containerId: 'c1', network: 'pods', pod });
    const long = { namespace: 'n'.repeat(63), name: 'p'.repeat(140) };
    const crowded = { ...attachment, pod: long };
    expect(readLinkMark(linkMark(crowded))).toMatchObject({ network: 'pods', pod: undefined });
    expect(readNamespaceMark(namespaceMark(id, long))).toEqual({ id, pod: long });
    const unnamed = linkMark({ ...crowded, network: 'n'.repeat(240) });
    expect(readLinkMark(unnamed)).toMatchObject({ network: '', pod: undefined });
    expect(linkMark({ ...attachment, containerId: 'c'.repeat(250) })).toBe('');
    expect(newNamespaceId()).toMatch(/^[0-9a-f]{16}$/);
  });

  it('are nothing to `ip -batch` but a word', () => {
    const pod = { namespace: 'shop', name: 'x\nlink delete dev eth0' };
    expect(namespaceMark(id, pod)).toBe(`infra-offload|1|${id}||`);
    expect(readLinkMark(linkMark({ ...attachment, pod }))?.pod).toBeUndefined();
  });

  it.each(['', 'infra_pod1', 'infra-offload|2|x', 'a|b|c|d', '|'.repeat(200)])('are not in %j', (alias) => {
    expect([readLinkMark(alias), readNamespaceMark(alias)]).toEqual([undefined, undefined]);
  });
});
