/**
 * The rights that deploy/ gives are enough, and no more than needed: agent and manager run in containers with exactly
 * these capabilities and this seccomp profile, and do their work on real network namespaces.
 */
import { execFileSync } from 'node:child_process';
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  addServers,
  type ContainerMount,
  type ContainerProgram,
  type ContainerRights,
  containerCommand,
  eventually,
  NetworkNamespace,
  programs,
  run,
  scaleService,
  Testbed,
} from '@infra-offload/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rightsForRuntime } from './deploy/container.js';
import { built, podsOf, ROOT } from './deploy/manifests.js';
import { HTTP, WEB } from './web.js';

const pods = podsOf(built('overlays/standalone'));
const PROFILE = JSON.parse(readFileSync(join(ROOT, 'deploy/base/agent/seccomp.json'), 'utf8')) as object;

function rightsOfContainer(set: string, container: string): ContainerRights {
  const found = pods.get(set)?.containers.find(({ name }) => name === container);
  if (found === undefined) throw new Error(`there is no container ${container} in ${set}`);
  return rightsForRuntime(found, () => PROFILE);
}

const AGENT = rightsOfContainer('infraagent-ds', 'infraagent');
const MANAGER = rightsOfContainer('inframanager-ds', 'inframanager');

function container(
  file: string,
  rights: ContainerRights,
  mounts: readonly ContainerMount[],
): ContainerProgram {
  return { runc: 'runc', command: [process.execPath, file], rights, mounts };
}

it('are enough: pods are attached, found again after a restart of the target, and detached', async () => {
  const bed = await Testbed.create({
    tapCount: 5,
    programs: (layout) => ({
      agent: container(programs.agent, AGENT, [
        { source: layout.directory },
        { source: '/run/netns', readOnly: true },
      ]),
      manager: container(programs.manager, MANAGER, [
        { source: layout.directory, readOnly: true },
        { source: layout.state('manager') },
      ]),
    }),
  });
  try {
    const { layout } = bed;
    mkdirSync(layout.state('manager'));
    chownSync(layout.state('manager'), MANAGER.user, MANAGER.user);
    execFileSync('chmod', ['-R', 'go+X', layout.directory]);
    for (const role of ['manager', 'controller'] as const) {
      for (const file of Object.values(layout.identity(role))) chownSync(file, MANAGER.user, MANAGER.user);
    }

    await bed.startAll();
    const client = await bed.addPod('client');
    const servers = await addServers(bed, WEB, ['web']);
    await scaleService(bed, WEB, servers);
    expect((await client.process.spread(HTTP, 10)).failures).toEqual({});

    await bed.softswitch.stop();
    await bed.stopDataplane();
    await bed.startSoftswitch();
    await bed.inSync();
    await eventually('traffic flows again', async () => {
      const { failures } = await client.process.spread(HTTP, 10, 500);
      return Object.keys(failures).length === 0 || undefined;
    });
    for (const server of servers) await bed.removePod(server);
    await bed.removePod(client);
    expect((await bed.tapLinks()).length).toBe(5);
    expect(await bed.manager.stop()).toBe(0);
    expect(await bed.agent.stop()).toBe(0);
  } finally {
    await bed.stop();
  }
});

describe('of the manager’s init container', () => {
  let directory: string;
  let state: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'infra-offload-rights-'));
    state = join(directory, 'state');
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('give the manager what a manager that ran as root has left, each time', async () => {
    const set = pods.get('inframanager-ds');
    const init = set?.initContainers?.find(({ name }) => name === 'own-state');
    const [mount] = init?.volumeMounts ?? [];
    if (init === undefined || mount === undefined) throw new Error('there is no own-state');
    const rights = rightsForRuntime(init, () => PROFILE);
    const mounts = [{ source: state, destination: mount.mountPath }];
    // As the manager makes it.
    mkdirSync(state, { mode: 0o700 });
    const outside = join(directory, 'outside');
    writeFileSync(outside, '');
    symlinkSync(outside, join(state, 'link'));
    const files = ['state.log', 'state.log.damaged'];
    for (let time = 0; time < 2; time++) {
      for (const file of files) writeFileSync(join(state, file), '', { mode: 0o600 });
      const program = { runc: 'runc', command: init.command ?? [], args: [], rights, mounts };
      const { code, stderr } = await run(...containerCommand(program, []));
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      for (const path of [state, ...files.map((file) => join(state, file))])
        expect(statSync(path).uid, path).toBe(MANAGER.user);
      expect(statSync(outside).uid).toBe(0);
    }
  });
});

describe('of the agent', () => {
  let node: NetworkNamespace;
  let pod: NetworkNamespace;
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'infra-offload-rights-'));
    const id = directory.split('-').at(-1);
    node = await NetworkNamespace.create(`iof-${id}-node`);
    pod = await NetworkNamespace.create(`iof-${id}-pod`);
  });
  afterAll(async () => {
    await node?.remove();
    await pod?.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Which of the commands succeed in a container with these rights on the node. */
  async function succeeding(rights: ContainerRights, commands: Record<string, string>): Promise<string[]> {
    const file = join(directory, 'probe.mjs');
    writeFileSync(
      file,
      `import { spawnSync } from 'node:child_process';
const commands = ${JSON.stringify(commands)};
const ok = (command) => spawnSync('sh', ['-c', command], { stdio: 'ignore' }).status === 0;
console.log(JSON.stringify(Object.keys(commands).filter((name) => ok(commands[name]))));`,
    );
    const program = container(file, rights, [{ source: '/run/netns', readOnly: true }]);
    const { stdout, stderr } = await run(...node.wrap(...containerCommand(program, [])));
    expect(stderr).toBe('');
    return JSON.parse(stdout) as string[];
  }

  const without = (name: string): ContainerRights => ({
    ...AGENT,
    capabilities: AGENT.capabilities.filter((capability) => capability !== name),
  });

  it('are each needed: one to set interfaces up, one to enter namespaces', async () => {
    const commands = {
      'configures an interface': 'ip link set dev lo mtu 1400',
      'enters a pod': `nsenter --net=${pod.path} ip -json link show`,
    };
    expect(await succeeding(AGENT, commands)).toEqual(Object.keys(commands));
    expect(await succeeding(without('CAP_NET_ADMIN'), commands)).toEqual(['enters a pod']);
    expect(await succeeding(without('CAP_SYS_ADMIN'), commands)).toEqual(['configures an interface']);
    expect([...AGENT.capabilities].sort()).toEqual(['CAP_NET_ADMIN', 'CAP_SYS_ADMIN']);
  });

  it('come to no more, since the profile forbids what else CAP_SYS_ADMIN is good for', async () => {
    const commands = {
      mount: 'mount -t tmpfs tmpfs /mnt',
      'make a mount namespace': 'unshare --mount true',
      'make a network namespace': 'unshare --net true',
      'make a user namespace': 'unshare --user true',
      'enter a namespace of another kind': 'nsenter --uts=/proc/1/ns/uts true',
    };
    expect(await succeeding(AGENT, commands)).toEqual([]);
    const open = await succeeding({ ...AGENT, seccomp: undefined }, commands);
    expect(open.sort()).toEqual(Object.keys(commands).sort());
  });

  it('leave the root file system, /sys and /proc/sys as they are', async () => {
    const commands = {
      'writes a file': 'touch /etc/infra-offload-test',
      'writes /sys': 'echo 1 >/sys/class/net/lo/mtu',
      'writes /proc/sys': 'echo 1 >/proc/sys/net/ipv4/ip_forward',
      'makes a network namespace’s file': 'touch /run/netns/infra-offload-test',
    };
    expect(await succeeding(AGENT, commands)).toEqual([]);
  });
});
