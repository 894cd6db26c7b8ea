import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a container may do: the part of a pod's manifest that limits it, in the words of the OCI runtime specification. */
export interface ContainerRights {
  /** User and group. */
  readonly user: number;
  /** `CAP_NET_ADMIN` and so on; all others are dropped. */
  readonly capabilities: readonly string[];
  /** `linux.seccomp`; none if undefined. */
  readonly seccomp?: object | undefined;
}

/** A directory of the machine inside the container. */
export interface ContainerMount {
  readonly source: string;
  /** The same as `source` if left out. */
  readonly destination?: string;
  readonly readOnly?: boolean;
}

/** A program in a container that runc runs, on a read-only view of this machine's files. */
export interface ContainerProgram {
  readonly runc: string;
  /** What is run; the arguments follow. */
  readonly command: readonly string[];
  /** Instead of those that the testbed has for the program. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly rights: ContainerRights;
  readonly mounts: readonly ContainerMount[];
}

/** What containerd, and with it Kubernetes, hides of /proc and /sys in each container that is not privileged. */
const MASKED = ['acpi', 'asound', 'kcore', 'keys', 'latency_stats', 'scsi', 'timer_list'].map(
  (name) => `/proc/${name}`,
);
const READ_ONLY = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'].map((name) => `/proc/${name}`);

const QUIET = ['nosuid', 'noexec', 'nodev'];

/** The runtime's configuration. Of the namespaces that of the network is shared, as with `hostNetwork`. */
function ociConfig(program: ContainerProgram, defaultArgs: readonly string[]): object {
  const { command, args = defaultArgs, env = {}, rights, mounts } = program;
  const { user, capabilities, seccomp } = rights;
  return {
    ociVersion: '1.0.2',
    process: {
      user: { uid: user, gid: user },
      args: [...command, ...args],
      env: [
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'NODE_ENV=production',
        ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
      ],
      cwd: '/',
      // A user who is not root gets them into his permitted set only, as from Kubernetes.
      capabilities: {
        bounding: capabilities,
        permitted: user === 0 ? capabilities : [],
        effective: user === 0 ? capabilities : [],
      },
      noNewPrivileges: true,
    },
    root: { path: 'rootfs', readonly: true },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=64k'] },
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...QUIET, 'ro'] },
      ...mounts.map(({ source, destination = source, readOnly }) => ({
        destination,
        type: 'bind',
        source,
        options: ['rbind', 'rslave', readOnly ? 'ro' : 'rw'],
      })),
    ],
    linux: {
      resources: { devices: [{ allow: false, access: 'rwm' }] },
      namespaces: ['pid', 'ipc', 'uts', 'mount'].map((type) => ({ type })),
      maskedPaths: [...MASKED, '/sys/firmware'],
      readonlyPaths: READ_ONLY,
      ...(seccomp === undefined ? {} : { seccomp }),
    },
  };
}

/**
 * The command line that runs the program in a container, which is gone with the command. It makes a directory
 * that goes with it, too.
 */
export function containerCommand(program: ContainerProgram, args: readonly string[]): [string, string[]] {
  const bundle = mkdtempSync(join(tmpdir(), 'infra-offload-container-'));
  for (const directory of ['rootfs', 'layer']) mkdirSync(join(bundle, directory));
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(ociConfig(program, args)));
  const runc = `${program.runc} --root ${bundle}/layer/state`;
  const id = bundle.split('/').at(-1) ?? '';
  // The machine's files below a layer of memory, in which runc makes the directories to mount on, and both in a mount
  // namespace that goes with the last process. runc hands signals on.
  const script = `set -e
cd ${bundle}
mount -t tmpfs tmpfs layer
mkdir layer/upper layer/work
mount -t overlay overlay -o lowerdir=/,upperdir=layer/upper,workdir=layer/work rootfs
set +e
${runc} run --bundle . ${id} &
trap 'kill -TERM $!' TERM
wait $! || wait $!
code=$?
${runc} delete --force ${id} 2>/dev/null
cd / && umount ${bundle}/rootfs ${bundle}/layer
rm -rf ${bundle}
exit $code`;
  return ['unshare', ['--mount', '--propagation', 'slave', 'sh', '-c', script]];
}
