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

/** A program of Node.js in a container that runc runs, on a read-only view of this machine's files. */
export interface ContainerProgram {
  readonly runc: string;
  readonly file: string;
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
function ociConfig(program: ContainerProgram, args: readonly string[]): object {
  const { file, rights, mounts } = program;
  const { user, seccomp } = rights;
  const capabilities = rights.capabilities;
  return {
    ociVersion: '1.0.2',
    process: {
      user: { uid: user, gid: user },
      args: [process.execPath, '--enable-source-maps', file, ...args],
      env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'NODE_ENV=production'],
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

/** The command line that runs the program in a container, which is gone with the command. */
export function containerCommand(program: ContainerProgram, args: readonly string[]): [string, string[]] {
  const bundle = mkdtempSync(join(tmpdir(), 'infra-offload-container-'));
  const rootfs = join(bundle, 'rootfs');
  mkdirSync(rootfs);
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(ociConfig(program, args)));
  const name = bundle.split('-').at(-1) ?? '';
  // In a mount namespace of its own, so that the view of the files goes with the last process. runc hands signals on.
  const script = `mount --bind / ${rootfs} || exit
${program.runc} --root ${bundle}/state run --bundle ${bundle} iof-${name} &
trap 'kill -TERM $!' TERM
wait $! || wait $!
code=$?
${program.runc} --root ${bundle}/state delete --force iof-${name} 2>/dev/null
umount ${rootfs}; rm -rf ${bundle}; exit $code`;
  return ['unshare', ['--mount', '--propagation', 'slave', 'sh', '-c', script]];
}
