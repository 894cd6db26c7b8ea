import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { attachmentOf, setUpLines } from '../testing/attachments.js';
import { TestNetwork } from '../testing/network.js';
import { IpvlanInterfaces } from './ipvlan.js';
import { ownNetnsInode } from './netns.js';

const { commands } = await vi.hoisted(async () => {
  const { FakeCommands } = await import('../testing/fake-commands.js');
  return { commands: new FakeCommands() };
});

vi.mock('./command.js', () => ({ runCommand: commands.run }));

const master = { ifindex: 4, ifname: 'ens801f0', flags: ['UP'], mtu: 1500, address: '02:fc:00:00:00:01' };

let network: TestNetwork;
let netns: string;
let interfaces: IpvlanInterfaces;

beforeEach(() => {
  network = new TestNetwork();
  netns = network.addNetns('pod');
  interfaces = new IpvlanInterfaces(master.ifname);
});

afterEach(() => {
  try {
    commands.verify();
  } finally {
    network.cleanUp();
  }
});

const look = (...links: readonly object[]) => ({ command: 'ip -json link show', stdout: links });
const inPod = (words: string) => `nsenter --net=${netns} ip ${words}`;
const lookIntoPod = (...links: readonly object[]) => ({
  command: inPod('-details -json address show'),
  stdout: [{ ifindex: 1, ifname: 'lo', flags: ['LOOPBACK'], mtu: 65536 }, ...links],
});
const child = (ifname: string, ifalias?: string) => ({
  ifindex: 9,
  ifname,
  ifalias,
  flags: ['NOARP', 'UP'],
  mtu: 1450,
  address: master.address,
  linkinfo: { info_kind: 'ipvlan', info_data: { mode: 'l3' } },
});

async function allocate() {
  commands.expect(look(master));
  return interfaces.allocate();
}

describe('IpvlanInterfaces', () => {
  it('makes a child inside the pod and deletes it there', async () => {
    const allocated = await allocate();
    expect(allocated).toEqual({ name: 'infra_pod1', mac: master.address });
    const attachment = attachmentOf(allocated, netns);
    commands.expect(
      { command: `ip link add link ens801f0 name infra_pod1 netns ${netns} type ipvlan mode l3` },
      {
        command: inPod('-batch -'),
        // No MAC address: it is the master's.
        stdin: [
          `link set dev infra_pod1 alias infra-offload|1|${ownNetnsInode()}|infra_pod1||eth0|10.0.0.1|pods|c1||`,
          ...setUpLines('infra_pod1', ''),
        ],
      },
    );
    await interfaces.configure(attachment);
    // Another child of the same master, and a foreign link that looks like ours.
    commands.expect(lookIntoPod(child('net1', 'infra_pod2'), child('eth0'), child('renamed', 'infra_pod1')), {
      command: inPod('link delete dev renamed'),
    });
    await interfaces.release(attachment);
    expect((await allocate()).name).toBe('infra_pod1');
  });

  it('gives each pod a name of its own, also after a restart', async () => {
    interfaces.recover([
      attachmentOf({ name: 'infra_pod1', mac: master.address }, netns),
      attachmentOf({ name: 'infra_pod3', mac: master.address }, netns),
    ]);
    expect((await allocate()).name).toBe('infra_pod2');
    expect((await allocate()).name).toBe('infra_pod4');
    interfaces.discard('infra_pod2');
    expect((await allocate()).name).toBe('infra_pod2');
    expect(await interfaces.usage()).toMatchObject({ taken: 4 });
  });

  it('says that there is no master', async () => {
    commands.expect(look());
    await expect(interfaces.allocate()).rejects.toMatchObject({
      name: 'CniError',
      code: 11,
      message: 'no free interface: 0 are attached to pods and there is no interface ens801f0',
    });
  });

  it('undoes what was half done, and leaves a foreign link alone', async () => {
    const attachment = attachmentOf(await allocate(), netns, { phase: 'allocated' });
    commands.expect(lookIntoPod(child('eth0')));
    await interfaces.release(attachment);
    commands.expect(lookIntoPod(child('infra_pod1')), { command: inPod('link delete dev infra_pod1') });
    await interfaces.release(attachment);
  });

  it('keeps the attachment when the child cannot be deleted', async () => {
    const attachment = attachmentOf(await allocate(), netns);
    const failed = { command: inPod('link delete dev eth0'), code: 2, stderr: 'RTNETLINK answers: Busy\n' };
    commands.expect(
      lookIntoPod(child('eth0', 'infra_pod1')),
      failed,
      lookIntoPod(child('eth0', 'infra_pod1')),
    );
    await expect(interfaces.release(attachment)).rejects.toThrow(/Busy/);
    expect(await interfaces.usage()).toMatchObject({ taken: 1 });
    // Gone by itself meanwhile.
    commands.expect(lookIntoPod(child('eth0', 'infra_pod1')), failed, lookIntoPod());
    await interfaces.release(attachment);
    expect(await interfaces.usage()).toMatchObject({ taken: 0 });
  });

  it('makes children again when the master is a new one', async () => {
    const attachment = attachmentOf(await allocate(), netns);
    commands.expect(look(master), look(master), look(), look({ ...master, ifindex: 12 }));
    expect(await interfaces.returned()).toEqual(new Set());
    expect(await interfaces.returned()).toEqual(new Set());
    expect(await interfaces.returned()).toEqual(new Set());
    expect(await interfaces.returned()).toEqual(new Set(['infra_pod1']));
    commands.expect(lookIntoPod(), look(master));
    expect(await interfaces.locate(attachment)).toBe('returned');
    commands.expect(lookIntoPod(), look());
    expect(await interfaces.locate(attachment)).toBe('missing');
    commands.expect(lookIntoPod(child('eth0', 'infra_pod1')));
    expect(await interfaces.locate(attachment)).toBe('in-place');
    expect(await interfaces.locate({ ...attachment, netns: { path: netns, inode: '1' } })).toBe('netns-gone');
  });

  it('makes the interface of the node once', async () => {
    commands.expect(look());
    expect(await interfaces.hostInterface()).toBeUndefined();
    commands.expect(look(master), {
      command: 'ip link add link ens801f0 name infra_host type ipvlan mode l3',
    });
    expect(await interfaces.hostInterface()).toBe('infra_host');
    commands.expect(look(master, child('infra_host')));
    expect(await interfaces.hostInterface()).toBe('infra_host');
  });
});
