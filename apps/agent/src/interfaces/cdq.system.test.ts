import { beforeEach, describe, expect, it, vi } from 'vitest';
import { attachmentOf, setUpLines } from '../testing/attachments.js';
import { devicesForEachTest, log, logger, netns, removeDevices, tree } from '../testing/devices.js';
import type { TreeNetdev } from '../testing/sysfs-tree.js';
import { CdqPool, MAX_SUBFUNCTIONS } from './cdq.js';
import { ownNetnsInode, ownNetnsPath } from './netns.js';
import { PooledInterfaces } from './pooled-interfaces.js';

const { commands } = await vi.hoisted(async () => {
  const { FakeCommands } = await import('../testing/fake-commands.js');
  return { commands: new FakeCommands() };
});

vi.mock('./command.js', () => ({ runCommand: commands.run }));

const pf = 'ens801f0';
const pfAddress = '0000:af:00.0';
const device = `pci/${pfAddress}`;

devicesForEachTest(commands);

const mac = (number: number) => `00:${number.toString(16).padStart(2, '0')}:00:00:03:14`;

function start(attachTimeoutMs = 5_000): PooledInterfaces {
  return new PooledInterfaces(new CdqPool(pf, logger(), tree.sysfs, attachTimeoutMs));
}

/** A subfunction on the auxiliary bus: sfnum 101 is number 4. */
function addSf(number: number, name = `${pf}d${number}`): TreeNetdev {
  return tree.addSf(pfAddress, `idpf.sf.${number}`, number + 97, name, mac(number));
}

type PortState = readonly [sfnum: number, state: 'active' | 'inactive'];

/** What devlink says of subfunction ports; index is sfnum. */
function ports(...states: PortState[]) {
  const entries = states.map(([sfnum, state]) => [
    `${device}/${sfnum}`,
    {
      type: 'eth',
      flavour: 'pcisf',
      controller: 0,
      pfnum: 0,
      sfnum,
      splittable: false,
      function: {
        hw_addr: '00:00:00:00:00:00',
        state,
        opstate: state === 'active' ? 'attached' : 'detached',
      },
    },
  ]);
  return { port: Object.fromEntries(entries) };
}

/** As `port show` has it: with the PF's own port, and subfunctions of another PF. */
function allPorts(...states: PortState[]) {
  const own = { [`${device}/0`]: { type: 'eth', netdev: pf, flavour: 'physical', splittable: false } };
  const foreign = { 'pci/0000:af:00.1/9': { type: 'eth', flavour: 'pcisf', pfnum: 1, sfnum: 103 } };
  return { port: { ...own, ...foreign, ...ports(...states).port } };
}

const show = (...states: PortState[]) => ({
  command: 'devlink -json port show',
  stdout: allPorts(...states),
});
const add = (sfnum: number) => ({
  command: `devlink -json port add ${device} flavour pcisf pfnum 0 sfnum ${sfnum}`,
  stdout: ports([sfnum, 'inactive']),
});
const activate = (sfnum: number, ...moves: TreeNetdev['leave']) => ({
  command: `devlink port function set ${device}/${sfnum} state active`,
  moves,
});

describe('the pool', () => {
  it('has interfaces named after the PF by number, without those that are reserved', async () => {
    tree.addPf(pf, pfAddress);
    for (const number of [12, 3, 6, 4, 10, 5])
      tree.addPort(pfAddress, `${pf}d${number}`, number, mac(number));
    tree.addPf('ens801f1', '0000:af:00.1');
    tree.addPort('0000:af:00.1', 'ens801f1d7', 7, mac(7));
    const interfaces = start();
    expect(await interfaces.hostInterface()).toBe(`${pf}d5`);
    expect(await interfaces.usage()).toEqual({ free: 3, taken: 0 });
    expect(await interfaces.allocate()).toEqual({
      name: `${pf}d6`,
      mac: mac(6),
      device: `pci/${pfAddress}/6`,
    });
    expect((await interfaces.allocate()).name).toBe(`${pf}d10`);
    expect((await interfaces.allocate()).name).toBe(`${pf}d12`);
  });

  it('has subfunctions by sfnum, whatever their interfaces are called', async () => {
    tree.addPf(pf, pfAddress);
    addSf(4);
    addSf(5, 'enp175s0s102');
    addSf(11, 'enp175s0s108');
    addSf(7);
    tree.addPf('ens801f1', '0000:af:00.1');
    tree.addSf('0000:af:00.1', 'idpf.sf.99', 103, 'ens801f1d6', mac(6));
    // The port of a subfunction on the device's switch is not the subfunction.
    tree.addPort(pfAddress, `${pf}npf0sf103`, 0, mac(99));
    const interfaces = start();
    expect(await interfaces.hostInterface()).toBe('enp175s0s102');
    expect(await interfaces.usage()).toEqual({ free: 2, taken: 0 });
    expect(await interfaces.allocate()).toEqual({
      name: `${pf}d7`,
      mac: mac(7),
      device: 'auxiliary/idpf.sf.7',
    });
    expect((await interfaces.allocate()).name).toBe('enp175s0s108');
  });
});

describe('a subfunction that is made', () => {
  beforeEach(() => {
    tree.addPf(pf, pfAddress);
    addSf(4);
    addSf(5);
  });

  /** In the system, but not visible before a command has moved it into place. */
  async function prepare(number: number, name: string) {
    const netdev = addSf(number, name);
    commands.expect({ command: 'ip prepare', moves: netdev.leave });
    await commands.run('ip', ['prepare']);
    return netdev.back(name);
  }

  it('has the lowest sfnum that is free from 103 on, and is named after the PF', async () => {
    const appears = await prepare(7, 'eth3');
    const interfaces = start();
    commands.expect(show([101, 'active'], [102, 'active'], [103, 'active'], [105, 'active']), add(104));
    commands.expect(activate(104, ...appears), {
      command: `ip link set dev eth3 down name ${pf}d7 address ${mac(7)}`,
    });
    // 103 and 105 are in pods that an earlier run has attached.
    interfaces.recover(
      [6, 8].map((number) =>
        attachmentOf(
          { name: `${pf}d${number}`, mac: mac(number), device: `auxiliary/idpf.sf.${number}` },
          '/proc/self/ns/net',
        ),
      ),
    );
    expect(await interfaces.allocate()).toEqual({
      name: `${pf}d7`,
      mac: mac(7),
      device: 'auxiliary/idpf.sf.7',
    });
  });

  it('is one that was made and never activated, for instance because the agent was killed', async () => {
    const appears = await prepare(6, `${pf}d6`);
    commands.expect(show([101, 'active'], [102, 'active'], [103, 'inactive']), activate(103, ...appears));
    expect((await start().allocate()).name).toBe(`${pf}d6`);
  });

  it('is made for each of several callers at once', async () => {
    const [six, seven] = [await prepare(6, `${pf}d6`), await prepare(7, `${pf}d7`)];
    const known: PortState[] = [
      [101, 'active'],
      [102, 'active'],
    ];
    commands.expect(show(...known), add(103), activate(103, ...six));
    commands.expect(show(...known, [103, 'active']), add(104), activate(104, ...seven));
    const interfaces = start();
    const both = await Promise.all([interfaces.allocate(), interfaces.allocate()]);
    expect(both.map(({ name }) => name).sort()).toEqual([`${pf}d6`, `${pf}d7`]);
  });

  it('is for the node, too', async () => {
    removeDevices();
    tree.addPf(pf, pfAddress);
    const appears = await prepare(5, `${pf}d5`);
    commands.expect(show([101, 'active']), add(102), activate(102, ...appears));
    expect(await start().hostInterface()).toBe(`${pf}d5`);
  });

  it('is not number 255: the limit is told with the count', async () => {
    const states = Array.from({ length: MAX_SUBFUNCTIONS }, (_, i): PortState => [101 + i, 'active']);
    commands.expect(show(...states));
    const interfaces = start();
    interfaces.recover(
      states
        .slice(2)
        .map(([sfnum]) =>
          attachmentOf(
            { name: `${pf}d${sfnum - 97}`, mac: mac(6), device: `auxiliary/idpf.sf.${sfnum - 97}` },
            '/proc/self/ns/net',
          ),
        ),
    );
    await expect(interfaces.allocate()).rejects.toMatchObject({
      name: 'CniError',
      code: 11,
      message:
        'no free interface: 252 are attached to pods and ens801f0 has 254 subfunctions, the most that it can have (254)',
    });
  });

  it('is refused by the device: the reason is told, and the next call asks again', async () => {
    const interfaces = start();
    const refused = { ...add(103), stdout: '', code: 1, stderr: 'kernel answers: Operation not supported\n' };
    commands.expect(show(), refused);
    await expect(interfaces.allocate()).rejects.toMatchObject({
      code: 11,
      message: expect.stringMatching(
        /0 are attached .* cannot create another subfunction: .* Operation not supported$/,
      ),
    });
    commands.expect({ command: 'devlink -json port show', code: 1, stderr: 'Failed to connect to devlink' });
    await expect(interfaces.allocate()).rejects.toMatchObject({ code: 11 });
    commands.expect({ command: 'devlink -json port show', stdout: '{"port":[]}' });
    await expect(interfaces.allocate()).rejects.toThrow(/unexpected output/);
  });

  it('never shows an interface: it is removed again', async () => {
    const interfaces = start(100);
    commands.expect(show(), add(103), activate(103), { command: `devlink port del ${device}/103` });
    await expect(interfaces.allocate()).rejects.toMatchObject({
      code: 11,
      message: expect.stringContaining(
        'subfunction 103 of ens801f0 has no interface 0.1 s after it was created',
      ),
    });
  });

  it('is asked for the node once a look, and complained of once', async () => {
    removeDevices();
    tree.addPf(pf, pfAddress);
    const interfaces = start();
    const failed = { command: 'devlink -json port show', code: 1, stderr: 'Failed to connect to devlink' };
    commands.expect(failed, failed);
    expect(await interfaces.hostInterface()).toBeUndefined();
    expect(await interfaces.hostInterface()).toBeUndefined();
    expect(log.filter(({ msg }) => msg === 'no subfunction for the node itself')).toHaveLength(1);
  });

  it('needs a PF', async () => {
    removeDevices();
    await expect(start().allocate()).rejects.toMatchObject({
      code: 11,
      message: 'no free interface: 0 are attached to pods and there is no interface ens801f0',
    });
  });
});

describe('a subfunction', () => {
  beforeEach(() => {
    tree.addPf(pf, pfAddress);
  });

  it('goes into the pod and comes back, after a restart of the agent, under its name', async () => {
    const sf = addSf(6);
    const allocated = await start().allocate();
    const attachment = attachmentOf(allocated, netns);
    const interfaces = start();
    interfaces.recover([attachment]);
    commands.expect(
      {
        command: `ip link set dev ${pf}d6 alias infra-offload|1|${ownNetnsInode()}|${pf}d6|auxiliary/idpf.sf.6|eth0|10.0.0.1|pods|c1|| netns ${netns}`,
        moves: sf.leave,
      },
      {
        command: `nsenter --net=${netns} ip -batch -`,
        stdin: setUpLines(`${pf}d6`, ` address ${mac(6)}`),
      },
      {
        command: `nsenter --net=${netns} ip -details -json address show`,
        stdout: [
          {
            ifindex: 9,
            ifname: 'eth0',
            flags: ['UP'],
            mtu: 1450,
            address: '02:00:00:00:00:01',
            parentbus: 'auxiliary',
            parentdev: 'idpf.sf.6',
          },
        ],
      },
      {
        command: `nsenter --net=${netns} ip link set dev eth0 netns ${ownNetnsPath} name ${pf}d6 down address ${mac(6)} alias `,
        moves: sf.back(`${pf}d6`),
      },
    );
    await interfaces.configure(attachment);
    await interfaces.release(attachment);
    expect(await interfaces.allocate()).toEqual(allocated);
  });

  it('that is a port of the PF is known by its number when it comes home', async () => {
    const port = tree.addPort(pfAddress, `${pf}d6`, 6, mac(6));
    const interfaces = start();
    const attachment = attachmentOf(await interfaces.allocate(), netns);
    commands.expect(
      { command: 'ip in-pod', moves: port.leave },
      { command: 'ip ended', moves: port.back('eth0') },
    );
    for (const word of ['in-pod', 'ended']) await commands.run('ip', [word]);
    commands.expect({ command: `ip link set dev eth0 down name ${pf}d6 address ${mac(6)}` });
    await interfaces.release({ ...attachment, netns: { path: netns, inode: '1' } });
  });
});
