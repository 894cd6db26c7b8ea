import { existsSync } from 'node:fs';
import { AUTHORITY_DAYS, createAuthority, type Identity, issue, STANDARD_NAMES } from './authority.js';
import { TlsCertsError } from './errors.js';
import { type NewFile, readPem, writeFiles } from './files.js';
import type { KeyBits } from './keys.js';
import { authorityFiles, filesOf, LEAVES, type Leaf } from './layout.js';
import { checkDates, checkKey, datesOf, readCertificates, readPrivateKey } from './material.js';
import { hostNames, ROLE_FACTS } from './roles.js';

export interface CreateOptions {
  /** Default 3072. */
  readonly bits?: KeyBits;
  /** Days that certificates are valid, the authority aside. Default 365. */
  readonly days?: number;
  /** Names and addresses of manager and target beside the standard ones. */
  readonly names?: readonly string[];
  /** Replaces what is there, the authority too: everything that trusted the old one stops to. */
  readonly force?: boolean;
}

export type RenewOptions = Omit<CreateOptions, 'force'>;

/** An authority that lasts no longer than this is worth a warning. */
const AUTHORITY_SOON_DAYS = 90;
const DAY_MS = 86_400_000;

/**
 * Makes an authority and all certificates. Returns the files, certificates and keys.
 *
 * @throws TlsCertsError EXISTS if any of them is there, unless forced; nothing is written then. FILE, INVALID
 */
export async function createTree(root: string, options: CreateOptions = {}): Promise<string[]> {
  const authorityAt = authorityFiles(root);
  const wanted = [
    authorityAt.cert,
    authorityAt.key,
    ...LEAVES.flatMap((leaf) => Object.values(filesOf(root, leaf))),
  ];
  const existing = [...new Set(wanted)].filter((file) => existsSync(file));
  const [first] = existing;
  if (first !== undefined && options.force !== true) {
    const more = existing.length > 1 ? ` and ${existing.length - 1} more files are` : ' is';
    const message = `${first}${more} there already: renew certificates with 'tls-certs renew', or replace all, the authority too, with --force`;
    throw new TlsCertsError('EXISTS', message, { details: { file: first } });
  }
  if (options.days !== undefined && options.days > AUTHORITY_DAYS) {
    const message = `certificates cannot be valid for ${options.days} days: their authority is for ${AUTHORITY_DAYS}`;
    throw new TlsCertsError('INVALID', message);
  }
  const authority = await createAuthority({ bits: options.bits ?? 3072 });
  const issued = await Promise.all(
    LEAVES.map(async (leaf) =>
      filesFor(
        root,
        leaf,
        authority.certificate,
        await issue(authority, leaf.role, {
          bits: options.bits ?? 3072,
          names: extraNames(leaf, options),
          ...(options.days !== undefined && { days: options.days }),
        }),
      ),
    ),
  );
  const files = [
    { file: authorityAt.key, text: authority.key, isSecret: true },
    { file: authorityAt.cert, text: authority.certificate, isSecret: false },
    ...issued.flat(),
  ];
  writeFiles(files);
  return files.map(({ file }) => file);
}

export interface Renewal {
  readonly files: readonly string[];
  /** For people: what will need a hand soon. */
  readonly warnings: readonly string[];
}

/**
 * Replaces all certificates of a tree and their keys, with the names that they had; those that are missing are made.
 * The authority stays, and ends when it ends.
 *
 * @throws TlsCertsError FILE if the authority is not there, EXPIRED, KEY_MISMATCH or PEM if it cannot be used; nothing is
 *   written then
 */
export async function renewTree(root: string, options: RenewOptions = {}): Promise<Renewal> {
  const at = authorityFiles(root);
  const [bundle, key] = [readPem(at.cert), readPem(at.key)];
  const certificates = readCertificates(bundle);
  const privateKey = readPrivateKey(key);
  // There are several while one authority takes over from another; the one whose key is here issues.
  const signer =
    certificates.find((certificate) => certificate.checkPrivateKey(privateKey)) ?? certificates[0];
  checkKey(signer, privateKey, at);
  checkDates(signer, at.cert, new Date());
  const authority = { certificate: signer.toString(), key: key.text };
  const issued = await Promise.all(
    LEAVES.map(async (leaf) => {
      const names = existingNames(filesOf(root, leaf).cert);
      const identity = await issue(authority, leaf.role, {
        bits: options.bits ?? 3072,
        onlyNames: names ?? STANDARD_NAMES,
        names: extraNames(leaf, options),
        ...(options.days !== undefined && { days: options.days }),
      });
      return filesFor(root, leaf, bundle.text, identity);
    }),
  );
  const files = issued.flat();
  writeFiles(files);
  const { notAfter } = datesOf(signer);
  const left = Math.floor((notAfter.getTime() - Date.now()) / DAY_MS);
  const isSoon = left < Math.max(AUTHORITY_SOON_DAYS, options.days ?? 0);
  const warning = `the authority ends in ${left} days, and all certificates with it: replace everything before that with 'tls-certs create --force'`;
  return { files: files.map(({ file }) => file), warnings: isSoon ? [warning] : [] };
}

function filesFor(root: string, leaf: Leaf, authorities: string, identity: Identity): NewFile[] {
  const at = filesOf(root, leaf);
  return [
    { file: at.key, text: identity.key, isSecret: true },
    { file: at.cert, text: identity.certificate, isSecret: false },
    { file: at.ca, text: authorities, isSecret: false },
  ];
}

function extraNames({ role }: Leaf, { names }: CreateOptions): readonly string[] {
  return ROLE_FACTS[role].usage === 'server' ? (names ?? []) : [];
}

/** Names and addresses of the certificate that is there; undefined if there is none that can be read. */
function existingNames(file: string): string[] | undefined {
  try {
    const [certificate] = readCertificates(readPem(file));
    const names = hostNames(certificate.subjectAltName);
    return names.length === 0 ? undefined : names;
  } catch (error) {
    if (TlsCertsError.is(error, 'FILE', 'PEM')) return undefined;
    throw error;
  }
}
