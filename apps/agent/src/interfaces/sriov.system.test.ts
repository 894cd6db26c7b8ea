import { beforeEach, describe, expect, it, vi } from 'vitest';
import { attachmentOf, setUpLines } from '../testing/attachments.js';
import { devicesForEachTest, log, logger, netns, tree } from '../testing/devices.js';
import type { TreeNetdev } from '../testing/sysfs-tree.js';
import { ownNetnsInode, ownNetnsPath } from './netns.js';
import { PooledInterfaces } from './pooled-interfaces.js';
import { SriovPool } from './sriov.js';

const { commands } = await vi.hoisted(async () => {
  const { FakeCommands } = await import('../testing/fake-commands.js');
  return { commands: new FakeCommands() };
});

vi.mock('./command.js', () => ({ runCommand: commands.run }));

const pf = 'ens801f0';
const pfAddress = '0000:18:00.0';

devicesForEachTest(commands);

const mac = (id: number) => `00:${id.toString(16).padStart(2, '0')}:00:00:03:18`;
const address = (id: number) => `0000:18:01.${id}`;

function addVf(id: number, name = `${pf}v${id}`): TreeNetdev {
  const netdev = tree.addVf(pfAddress, id, address(id), 'iavf', { name, mac: mac(id) });
  if (netdev === undefined) throw new Error('no interface');
  return netdev;
}

function start(): PooledInterfaces {
  return new PooledInterfaces(new SriovPool(pf, logger(), tree.sysfs));
}

/** What `ip` tells of a pod with our VF in it. */
const podLinks = (ifname: string, linkAddress: string, id: number) => [
  { ifindex: 1, ifname: 'lo', flags: ['LOOPBACK'], mtu: 65536, address: '00:00:00:00:00:00' },
  {
    ifindex: 7,
    ifname,
    flags: ['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'],
    mtu: 1450,
    address: linkAddress,
    parentbus: 'pci',
    parentdev: address(id),
  },
];

const inPod = (words: string) => `nsenter --net=${netns} ip ${words}`;
const lookIntoPod = (links: unknown) => ({
  command: inPod('-details -json address show'),
  stdout: links,
});

describe('the pool', () => {
  it('has the VFs of the PF by number, without the two that are reserved', async () => {
    tree.addPf(pf, pfAddress);
    tree.addPf('eno1', '0000:02:00.0');
    for (let id = 0; id <= 10; id++) {
      const name = id === 10 ? 'eth10' : `${pf}v${id}`;
      tree.addVf(pfAddress, id, `0000:18:02.${id}`, 'iavf', { name, mac: mac(id) });
    }
    tree.addVf('0000:02:00.0', 2, '0000:02:01.2', 'iavf', { name: 'eno1v2', mac: mac(99) });
    const interfaces = start();
    expect(await interfaces.hostInterface()).toBe(`${pf}v1`);
    expect(await interfaces.usage()).toEqual({ free: 9, taken: 0 });
    const names: string[] = [];
    for (let i = 0; i < 9; i++) names.push((await interfaces.allocate()).name);
    expect(names).toEqual([...[2, 3, 4, 5, 6, 7, 8, 9].map((id) => `${pf}v${id}`), 'eth10']);
    expect(await interfaces.usage()).toEqual({ free: 0, taken: 9 });
    interfaces.discard(`${pf}v4`);
    expect(await interfaces.allocate()).toEqual({
      name: `${pf}v4`,
      mac: mac(4),
      device: 'pci/0000:18:02.4',
    });
  });

  it('gives each VF to one caller only', async () => {
    tree.addPf(pf, pfAddress);
    for (let id = 0; id <= 5; id++) addVf(id);
    const interfaces = start();
    const results = await Promise.allSettled(Array.from({ length: 6 }, () => interfaces.allocate()));
    const names = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.name] : []));
    expect(names.sort()).toEqual([2, 3, 4, 5].map((id) => `${pf}v${id}`));
  });

  it('says what keeps the other VFs from pods when none is free', async () => {
    tree.addPf(pf, pfAddress);
    const [, , , three] = [0, 1, 2, 3].map((id) => addVf(id));
    tree.addVf(pfAddress, 4, address(4), 'vfio-pci');
    tree.addVf(pfAddress, 5, address(5), undefined);
    tree.addVf(pfAddress, 6, address(6), 'iavf');
    const interfaces = start();
    await interfaces.allocate();
    await interfaces.allocate();
    // Its interface is in the pod by now, which is no reason to complain of it.
    commands.expect({ command: 'ip link set', moves: three?.leave ?? [] });
    await commands.run('ip', ['link', 'set']);
    await expect(interfaces.allocate()).rejects.toMatchObject({
      name: 'CniError',
      code: 11,
      message:
        'no free interface: 2 are attached to pods and ens801f0 has 7 virtual functions, 0 and 1 reserved; ' +
        'VF 4 (0000:18:01.4) is bound to vfio-pci; VF 5 (0000:18:01.5) has no driver; ' +
        'VF 6 (0000:18:01.6) has no interface on the node',
    });
    expect(log).toEqual([
      expect.objectContaining({
        msg: 'virtual functions that pods cannot use',
        problems: ['VF 4 (0000:18:01.4) is bound to vfio-pci', 'VF 5 (0000:18:01.5) has no driver'],
      }),
    ]);
  });

  it('says that there are no VFs, or no PF', async () => {
    const interfaces = start();
    expect(await interfaces.hostInterface()).toBeUndefined();
    await expect(interfaces.allocate()).rejects.toMatchObject({
      code: 11,
      message: 'no free interface: 0 are attached to pods and there is no interface ens801f0',
    });
    tree.addPf(pf, pfAddress);
    await expect(interfaces.allocate()).rejects.toMatchObject({
      code: 11,
      message: 'no free interface: 0 are attached to pods and ens801f0 has no virtual functions',
      details: 'write their number to /sys/class/net/ens801f0/device/sriov_numvfs',
    });
  });
});

describe('a VF', () => {
  let vf: TreeNetdev;

  beforeEach(() => {
    tree.addPf(pf, pfAddress);
    addVf(0);
    addVf(1);
    vf = addVf(2);
  });

  const moveIn = () => ({
    command: `ip link set dev ${pf}v2 alias infra-offload|1|${ownNetnsInode()}|${pf}v2|pci/${address(2)}|eth0|10.0.0.1|pods|c1|| netns ${netns}`,
    moves: vf.leave,
  });
  const setUp = () => ({
    command: inPod('-batch -'),
    stdin: setUpLines(`${pf}v2`, ` address ${mac(2)}`),
  });

  it('goes into the pod with its MAC address and MTU, and comes back under its name', async () => {
    const interfaces = start();
    const attachment = attachmentOf(await interfaces.allocate(), netns);
    commands.expect(moveIn(), setUp());
    await interfaces.configure(attachment);
    expect(await interfaces.returned()).toEqual(new Set());
    // The pod has changed all that it can change: the device behind the link tells.
    commands.expect(lookIntoPod(podLinks('mine', '02:00:00:00:00:99', 2)), {
      command: inPod(
        `link set dev mine netns ${ownNetnsPath} name ${pf}v2 down address ${attachment.mac} alias `,
      ),
      moves: vf.back(`${pf}v2`),
    });
    await interfaces.release(attachment);
    expect(await interfaces.allocate()).toMatchObject({ name: `${pf}v2` });
  });

  it('stays with its pod when the agent starts again', async () => {
    const first = start();
    const attachment = attachmentOf(await first.allocate(), netns);
    commands.expect(moveIn(), setUp());
    await first.configure(attachment);

    const second = start();
    second.recover([attachment]);
    commands.expect(lookIntoPod(podLinks('eth0', mac(2), 2)));
    expect(await second.locate(attachment)).toBe('in-place');
    await expect(second.allocate()).rejects.toThrow(/1 are attached to pods and ens801f0 has 3/);
  });

  it('is given back if the agent was killed before, within or after the move', async () => {
    const allocated = await start().allocate();
    const attachment = attachmentOf(allocated, netns, { phase: 'allocated' });
    const second = start();
    second.recover([attachment]);
    commands.expect(lookIntoPod(podLinks('eth0', mac(9), 9)));
    await second.release(attachment);
    expect(await second.allocate()).toEqual(allocated);

    const third = start();
    third.recover([attachment]);
    commands.expect({ command: 'ip moved', moves: vf.leave }, lookIntoPod(podLinks(`${pf}v2`, mac(2), 2)), {
      command: inPod(`link set dev ${pf}v2 netns ${ownNetnsPath} name ${pf}v2 down address ${mac(2)} alias `),
      moves: vf.back(`${pf}v2`),
    });
    await commands.run('ip', ['moved']);
    await third.release(attachment);
    expect(await third.allocate()).toEqual(allocated);
  });

  it('gets its name back when the kernel has brought it home from a namespace that ended', async () => {
    const interfaces = start();
    const attachment = attachmentOf(await interfaces.allocate(), netns);
    commands.expect(
      moveIn(),
      setUp(),
      { command: 'ip netns-ended', moves: vf.back('dev7') },
      { command: `ip link set dev dev7 down name ${pf}v2 address ${mac(2)}` },
    );
    await interfaces.configure(attachment);
    await commands.run('ip', ['netns-ended']);
    // Its pod is in the state files still, so nobody else gets it.
    await expect(interfaces.allocate()).rejects.toMatchObject({ code: 11 });
    const gone = { ...attachment, netns: { path: netns, inode: '1' } };
    expect(await interfaces.locate(gone)).toBe('netns-gone');
    await interfaces.release(gone);
  });

  it('gets its name back when it comes home only after DEL', async () => {
    const interfaces = start();
    const attachment = attachmentOf(await interfaces.allocate(), netns);
    commands.expect(
      moveIn(),
      setUp(),
      { command: 'ip netns-ended', moves: vf.back('eth0') },
      { command: `ip link set dev eth0 down name ${pf}v2 address ${mac(2)}` },
    );
    await interfaces.configure(attachment);
    await interfaces.release({ ...attachment, netns: { path: netns, inode: '1' } });
    await commands.run('ip', ['netns-ended']);
    expect(await interfaces.allocate()).toEqual({
      name: `${pf}v2`,
      mac: mac(2),
      device: `pci/${address(2)}`,
    });
  });

  it('is moved again when its driver has made its interface anew', async () => {
    const interfaces = start();
    const attachment = attachmentOf(await interfaces.allocate(), netns);
    commands.expect(moveIn(), setUp(), { command: 'ip driver-reloaded', moves: vf.back('eth3') });
    await interfaces.configure(attachment);
    await commands.run('ip', ['driver-reloaded']);
    expect(await interfaces.returned()).toEqual(new Set([`${pf}v2`]));
    commands.expect(lookIntoPod([]));
    expect(await interfaces.locate(attachment)).toBe('returned');
    commands.expect(
      { command: `ip link set dev eth3 down name ${pf}v2 address ${mac(2)}` },
      {
        command: `ip link set dev ${pf}v2 alias infra-offload|1|${ownNetnsInode()}|${pf}v2|pci/${address(2)}|eth0|10.0.0.1|pods|c1|| netns ${netns}`,
      },
      setUp(),
    );
    await interfaces.configure(attachment);
  });

  it('tells that the pod has an interface of that name', async () => {
    const interfaces = start();
    const attachment = attachmentOf(await interfaces.allocate(), netns);
    commands.expect(moveIn(), {
      ...setUp(),
      code: 1,
      stderr: 'RTNETLINK answers: File exists\nCommand failed -:1\n',
    });
    await expect(interfaces.configure(attachment)).rejects.toMatchObject({ code: 100 });
  });

  it('keeps its attachment when it cannot be brought back', async () => {
    const interfaces = start();
    const attachment = attachmentOf(await interfaces.allocate(), netns);
    commands.expect(moveIn(), setUp());
    await interfaces.configure(attachment);
    const back = inPod(
      `link set dev eth0 netns ${ownNetnsPath} name ${pf}v2 down address ${attachment.mac} alias `,
    );
    commands.expect(
      lookIntoPod(podLinks('eth0', mac(2), 2)),
      { command: back, code: 2, stderr: 'RTNETLINK answers: Device or resource busy\n' },
      lookIntoPod(podLinks('eth0', mac(2), 2)),
    );
    await expect(interfaces.release(attachment)).rejects.toThrow(/Device or resource busy/);
    expect(await interfaces.usage()).toEqual({ free: 0, taken: 1 });
    // The runtime comes again.
    commands.expect(lookIntoPod(podLinks('eth0', mac(2), 2)), {
      command: back,
      moves: vf.back(`${pf}v2`),
    });
    await interfaces.release(attachment);
    expect(await interfaces.usage()).toEqual({ free: 1, taken: 0 });
  });
});
