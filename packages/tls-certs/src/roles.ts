import type { X509Certificate } from 'node:crypto';
import { isIPv6, SocketAddress } from 'node:net';

/** What the holder of a certificate is, and so what it may do. */
export const ROLES = ['manager', 'agent', 'target', 'controller', 'operator'] as const;
export type Role = (typeof ROLES)[number];

interface RoleFacts {
  /** Subject common name; those that IPDK's scripts give out where there is one. */
  readonly commonName: string;
  readonly usage: 'server' | 'client';
  /** Who that is, for messages. */
  readonly holder: string;
}

export const ROLE_FACTS: Readonly<Record<Role, RoleFacts>> = {
  manager: { commonName: 'inframanager-server', usage: 'server', holder: 'infra-manager' },
  agent: { commonName: 'infraagent-client', usage: 'client', holder: 'an infra-agent' },
  target: { commonName: 'localhost', usage: 'server', holder: 'a target' },
  controller: { commonName: 'stratum-client', usage: 'client', holder: 'a controller of the target' },
  operator: { commonName: 'infra-operator', usage: 'client', holder: 'an operator' },
};

/** URI that names a role among a certificate's subject alternative names; SPIFFE's form. */
const URI_PREFIX = 'spiffe://infra-offload/';

export function roleUri(role: Role): string {
  return `${URI_PREFIX}${role}`;
}

/**
 * The role that a certificate gives its holder: what the URI says, or else, as in IPDK's certificates, the common name.
 * Undefined if neither says anything, and if there are several of our URIs: then nothing is certain.
 */
export function roleOf(certificate: Pick<X509Certificate, 'subject' | 'subjectAltName'>): Role | undefined {
  const names = alternativeNames(certificate.subjectAltName);
  const uris = names.filter((name) => name.startsWith(`URI:${URI_PREFIX}`));
  if (uris.length > 0) {
    return uris.length === 1 ? ROLES.find((role) => uris[0] === `URI:${roleUri(role)}`) : undefined;
  }
  const name = commonNameOf(certificate);
  return ROLES.find((role) => ROLE_FACTS[role].commonName === name);
}

/** The one common name of the subject; undefined if there is none, or more than one. */
export function commonNameOf({ subject }: Pick<X509Certificate, 'subject'>): string | undefined {
  // Undefined if it is empty, whatever the types of Node say.
  const text: string | undefined = subject;
  const names = (text ?? '').split('\n').filter((line) => line.startsWith('CN='));
  return names.length === 1 ? names[0]?.slice(3) : undefined;
}

/**
 * The entries of a `subjectAltName` as Node prints them: `DNS:localhost, IP Address:127.0.0.1`. Node writes entries that
 * hold a comma or a quote as JSON strings, so that none can pass for two.
 */
export function alternativeNames(text: string | undefined | null): string[] {
  // Null, which Node's types do not have, is what OpenSSL cannot read.
  if (text === undefined || text === null) return [];
  const names: string[] = [];
  for (const [, kind = '', quoted, plain = ''] of text.matchAll(
    /([A-Za-z ]+):(?:("(?:[^"\\]|\\.)*")|([^,]*))(?:, |$)/g,
  )) {
    names.push(`${kind}:${quoted === undefined ? plain : unquote(quoted)}`);
  }
  return names;
}

/** The DNS names and addresses among the entries of a `subjectAltName`. */
export function hostNames(text: string | undefined | null): string[] {
  return alternativeNames(text).flatMap((entry) => {
    const [, kind, name = ''] = /^(DNS|IP Address):(.*)$/.exec(entry) ?? [];
    if (kind === undefined) return [];
    // Node spells every group of an IPv6 address out.
    return [isIPv6(name) ? new SocketAddress({ address: name, family: 'ipv6' }).address : name];
  });
}

function unquote(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    return String(value);
  } catch {
    // An entry that is no JSON string after all is no name either.
    return text;
  }
}
