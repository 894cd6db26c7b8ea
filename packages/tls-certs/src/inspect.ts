import type { X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { formatColumns, messageOf } from '@infra-offload/base';
import { TlsCertsError } from './errors.js';
import { readPem } from './files.js';
import { AUTHORITY_FILE } from './layout.js';
import {
  chainTo,
  checkDates,
  checkKey,
  datesOf,
  describeRootless,
  nameOf,
  readCertificates,
  readPrivateKey,
  rootless,
  unreadable,
} from './material.js';
import { hostNames, type Role, roleOf } from './roles.js';

/** What `tls-certs inspect` tells of one certificate file. */
export interface Report {
  readonly file: string;
  /** Undefined if the file cannot be read; `problems` says why. */
  readonly subject?: string;
  readonly role?: Role;
  readonly names: readonly string[];
  readonly notAfter?: Date;
  /** Whole days until then; negative once it is over. */
  readonly daysLeft?: number;
  readonly isAuthority: boolean;
  /** Empty if all is well. */
  readonly problems: readonly string[];
}

const DAY_MS = 86_400_000;

/**
 * Looks at every certificate (`.crt`, `.pem`) in a directory and those below: its dates, whether its authority (`ca.crt`
 * beside it, or above it) issued it, and whether the key beside it (`.key`) is its own.
 *
 * @throws TlsCertsError FILE if there is no such directory, or no certificate in it
 */
export function inspectTree(root: string, now = new Date()): Report[] {
  const files = certificateFiles(root);
  if (files.length === 0) {
    throw new TlsCertsError('FILE', `${root}: there are no certificates (.crt, .pem) in it`, {
      details: { file: root },
    });
  }
  return files.map((file) => ({ ...inspectFile(file, root, now), file: relative(root, file) }));
}

function certificateFiles(root: string): string[] {
  try {
    if (statSync(root).isFile()) throw new Error('it is a file, not a directory');
    return readdirSync(root, { withFileTypes: true })
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap((entry) => {
        const path = join(root, entry.name);
        // The directories that a Secret's volume keeps behind its symlinks.
        if (entry.name.startsWith('..')) return [];
        if (entry.isDirectory()) return certificateFiles(path);
        return /\.(crt|pem)$/.test(entry.name) ? [path] : [];
      });
  } catch (error) {
    throw TlsCertsError.is(error) ? error : unreadable(root, error);
  }
}

function inspectFile(file: string, root: string, now: Date): Omit<Report, 'file'> {
  let certificates: readonly [X509Certificate, ...X509Certificate[]];
  try {
    certificates = readCertificates(readPem(file));
  } catch (error) {
    return { names: [], isAuthority: false, problems: [shortened(error, file)] };
  }
  const [certificate, ...others] = certificates;
  const problems: string[] = [];
  const attempt = (check: () => void) => {
    try {
      check();
    } catch (error) {
      problems.push(shortened(error, file));
    }
  };
  const isAuthority = certificate.ca;
  attempt(() => checkDates(certificate, file, now));
  if (isAuthority) {
    problems.push(...rootless(certificates.filter(({ ca }) => ca)).map(describeRootless));
  } else {
    attempt(() => {
      const ca = authorityFor(file, root);
      const authorities = readCertificates(readPem(ca));
      for (const above of chainTo(certificate, others, authorities, { cert: file, ca }))
        checkDates(above, ca, now);
    });
  }
  const key = file.replace(/\.(crt|pem)$/, '.key');
  if (existsSync(key))
    attempt(() => {
      const privateKey = readPrivateKey(readPem(key));
      // Of several authorities, one has its key here.
      const owner = isAuthority ? certificates.find((each) => each.checkPrivateKey(privateKey)) : certificate;
      checkKey(owner ?? certificate, privateKey, { cert: file, key }, others);
    });
  else if (!isAuthority) problems.push('there is no key beside it');
  const { notAfter } = datesOf(certificate);
  const role = roleOf(certificate);
  return {
    subject: nameOf(certificate),
    ...(role !== undefined && !isAuthority && { role }),
    names: hostNames(certificate.subjectAltName),
    notAfter,
    daysLeft: Math.floor((notAfter.getTime() - now.getTime()) / DAY_MS),
    isAuthority,
    problems,
  };
}

/** The nearest authority: beside the certificate, or in a directory above it within the tree. */
function authorityFor(file: string, root: string): string {
  for (let directory = dirname(file); ; directory = dirname(directory)) {
    const candidate = join(directory, AUTHORITY_FILE);
    if (existsSync(candidate)) return candidate;
    if (relative(root, directory) === '' || relative(root, directory).startsWith('..')) {
      throw new TlsCertsError('CA_MISMATCH', `there is no ${AUTHORITY_FILE} beside it or above it`);
    }
  }
}

/** The file is in the first column already. */
function shortened(error: unknown, file: string): string {
  const message = messageOf(error);
  return message.startsWith(`${file}: `) ? message.slice(file.length + 2) : message;
}

/** The reports as a table for people. */
export function formatReports(reports: readonly Report[]): string {
  const rows = reports.map(({ file, subject, role, isAuthority, names, notAfter, daysLeft, problems }) => [
    file,
    subject ?? '-',
    isAuthority ? 'authority' : (role ?? '-'),
    notAfter === undefined ? '-' : `${notAfter.toISOString().slice(0, 10)} (${daysLeft} days)`,
    problems.length === 0 ? 'ok' : 'WRONG',
    names.join(' ') || '-',
  ]);
  const table = [['file', 'subject', 'role', 'ends', 'check', 'names'], ...rows];
  const lines = formatColumns(table);
  const faults = reports.flatMap(({ file, problems }) => problems.map((problem) => `${file}: ${problem}`));
  return [lines, ...(faults.length === 0 ? [] : ['', ...faults])].join('\n');
}
