import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where tsx keeps what it has compiled. */
const TSX_CACHE = `tsx-${process.getuid?.()}`;

/**
 * Set-up of a run: its tests have a directory of their own for what is temporary, and the run fails if they leave
 * anything there or in the machine's kernel.
 */
export default function nothingLeft(): () => void {
  // Short: sockets in it may have paths of at most 107 bytes.
  const directory = mkdtempSync(join(tmpdir(), 'iof-'));
  // Programs of other users find their files in there.
  chmodSync(directory, 0o711);
  process.env.TMPDIR = directory;
  const before = machine();
  return () => {
    const files = readdirSync(directory).filter((name) => name !== TSX_CACHE);
    const left = [
      ...files.map((name) => join(directory, name)),
      ...mountsBelow(directory),
      ...machine().filter((fact) => !before.includes(fact)),
    ];
    // What is mounted is not ours to remove: it may be anything.
    if (mountsBelow(directory).length === 0) rmSync(directory, { recursive: true, force: true });
    if (left.length > 0) {
      throw new Error(`the tests, or others that ran meanwhile, left behind: ${left.join(', ')}`);
    }
  };
}

function mountsBelow(directory: string): string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${directory}/`))
    .map((path) => `mount ${path}`);
}

/** What tests could change of the machine's own network. */
function machine(): string[] {
  return [
    ...namespaces().map((name) => `network namespace ${name}`),
    ...tables(),
    `net.ipv4.ip_forward = ${readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim()}`,
  ];
}

function namespaces(): string[] {
  try {
    return readdirSync('/run/netns');
  } catch {
    return [];
  }
}

function tables(): string[] {
  try {
    return execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' }).trim().split('\n').filter(Boolean);
  } catch {
    // Only root may ask, and only root can leave one.
    return [];
  }
}
