import { join } from 'node:path';
import type { Role } from './roles.js';

/** A certificate of the tree, where it is, and in which Secret pods get it. */
export interface Leaf {
  readonly role: Role;
  readonly directory: string;
  readonly cert: string;
  readonly key: string;
  readonly secret?: string;
}

const STANDARD = { cert: 'tls.crt', key: 'tls.key' };

/** The tree that `tls-certs create` makes: that of IPDK's scripts, and `infractl`. */
export const LEAVES: readonly Leaf[] = [
  { role: 'manager', directory: 'inframanager/server', ...STANDARD, secret: 'manager-server-secret' },
  { role: 'controller', directory: 'inframanager/client', ...STANDARD, secret: 'manager-client-secret' },
  { role: 'agent', directory: 'infraagent/client', ...STANDARD, secret: 'agent-client-secret' },
  {
    role: 'target',
    directory: 'infrap4d',
    cert: 'stratum.crt',
    key: 'stratum.key',
    secret: 'target-server-secret',
  },
  { role: 'controller', directory: 'infrap4d', cert: 'client.crt', key: 'client.key' },
  { role: 'operator', directory: 'infractl', ...STANDARD },
];

/** Name of the authority's certificate: at the top of the tree, and beside every other certificate. */
export const AUTHORITY_FILE = 'ca.crt';
export const AUTHORITY_KEY_FILE = 'ca.key';

/** Files of one certificate. */
export interface IdentityFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export function filesOf(root: string, leaf: Leaf): IdentityFiles {
  const file = (name: string) => join(root, leaf.directory, name);
  return { ca: file(AUTHORITY_FILE), cert: file(leaf.cert), key: file(leaf.key) };
}

export function authorityFiles(root: string): { readonly cert: string; readonly key: string } {
  return { cert: join(root, AUTHORITY_FILE), key: join(root, AUTHORITY_KEY_FILE) };
}
