import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import { messageOf } from '@infra-offload/base';
import forge from 'node-forge';
import { TlsCertsError } from './errors.js';
import { generateKey, type KeyBits } from './keys.js';
import { ROLE_FACTS, type Role, roleUri } from './roles.js';

/** With the part of a certificate that is signed, which `@types/node-forge` leaves out. */
const pki: typeof forge.pki & {
  getTBSCertificate?(certificate: forge.pki.Certificate): forge.asn1.Asn1;
} = forge.pki;

/** A certificate and its private key, both PEM. */
export interface Identity {
  readonly certificate: string;
  readonly key: string;
}

/** From when until when; milliseconds are cut off. */
export interface Validity {
  /** Default: five minutes ago, for clocks that are behind. */
  readonly notBefore?: Date;
  /** Default: 365 days after `notBefore`; ten years for an authority, and never after its authority for others. */
  readonly notAfter?: Date;
}

export interface LeafOptions extends Validity {
  /** Days from `notBefore` on, if there is no `notAfter`. Default 365. */
  readonly days?: number;
  /** Default 3072. */
  readonly bits?: KeyBits;
  /** Names and addresses beside {@link STANDARD_NAMES}. */
  readonly names?: readonly string[];
  /** Instead of {@link STANDARD_NAMES}. */
  readonly onlyNames?: readonly string[];
}

export const DEFAULT_DAYS = 365;
export const AUTHORITY_DAYS = 3650;
const DAY_MS = 86_400_000;
const BACKDATED_MS = 300_000;
/** X.509 has a form of its own for dates after this one that not everybody reads (RFC 5280, 4.1.2.5). */
const LAST_DATE = Date.UTC(2050, 0, 1) - 1000;

const ORGANIZATION = [
  { shortName: 'C', value: 'US' },
  { shortName: 'ST', value: 'CA' },
  { shortName: 'L', value: 'SJ' },
  { shortName: 'O', value: 'IPDK' },
];
const AUTHORITY_NAME = 'infra-server_ca';

/** The names and addresses that every certificate has, before those that are asked for. */
export const STANDARD_NAMES: readonly string[] = [
  'localhost',
  'localhost.localdomain',
  'kubernetes.default',
  '127.0.0.1',
  '::1',
  'fe80::1',
];

/** Makes a self-signed authority. @throws TlsCertsError INVALID */
export async function createAuthority(
  options: Validity & { readonly bits?: KeyBits; readonly name?: string } = {},
): Promise<Identity> {
  const dates = validity(options, AUTHORITY_DAYS);
  const key = await generateKey(options.bits ?? 3072);
  const subject = [...ORGANIZATION, { shortName: 'CN', value: options.name ?? AUTHORITY_NAME }];
  const certificate = template(key, subject, subject, dates);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    { name: 'subjectKeyIdentifier' },
  ]);
  return { certificate: signWith(certificate, key), key: pem(key) };
}

/**
 * Issues a certificate with a new key.
 *
 * @throws TlsCertsError INVALID for names, dates and sizes that cannot be; PEM for an authority that cannot be used
 */
export async function issue(authority: Identity, role: Role, options: LeafOptions = {}): Promise<Identity> {
  const names = [...new Set([...(options.onlyNames ?? STANDARD_NAMES), ...(options.names ?? [])])].map(
    alternativeName,
  );
  const signer = await readSigner(authority);
  const { commonName, usage } = ROLE_FACTS[role];
  const dates = validity(options, options.days ?? DEFAULT_DAYS, signer.certificate.validity.notAfter);
  const key = await generateKey(options.bits ?? 3072);
  const subject = [...ORGANIZATION, { shortName: 'CN', value: commonName }];
  const certificate = template(key, subject, signer.certificate.subject.attributes, dates);
  const purpose = usage === 'server' ? { serverAuth: true } : { clientAuth: true };
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, keyAgreement: true, critical: true },
    { name: 'extKeyUsage', ...purpose },
    { name: 'subjectAltName', altNames: [...names, { type: 6, value: roleUri(role) }] },
    { name: 'subjectKeyIdentifier' },
    { name: 'authorityKeyIdentifier', keyIdentifier: subjectKeyIdentifier(signer.certificate) },
  ]);
  return { certificate: signWith(certificate, signer.key, signer.name), key: pem(key) };
}

interface Signer {
  readonly certificate: forge.pki.Certificate;
  /** Its subject as it is encoded: issuers are compared byte by byte, and there are several ways to write a text. */
  readonly name: forge.asn1.Asn1;
  readonly key: KeyObject;
}

async function readSigner({ certificate, key }: Identity): Promise<Signer> {
  try {
    const parsed = new X509Certificate(certificate);
    const privateKey = createPrivateKey(key);
    if (privateKey.asymmetricKeyType !== 'rsa')
      throw new Error(`its key is ${privateKey.asymmetricKeyType}, not RSA`);
    if (!parsed.ca) throw new Error('its certificate is not that of an authority');
    if (!parsed.checkPrivateKey(privateKey)) throw new Error('its key does not belong to its certificate');
    const structure = forge.asn1.fromDer(parsed.raw.toString('latin1'));
    const name = memberOf(memberOf(structure, 0), SUBJECT);
    return { certificate: forge.pki.certificateFromPem(parsed.toString()), name, key: privateKey };
  } catch (error) {
    const reason = messageOf(error);
    throw new TlsCertsError('PEM', `the authority cannot issue certificates: ${reason}`, { cause: error });
  }
}

function template(
  key: KeyObject,
  subject: forge.pki.CertificateField[],
  issuer: forge.pki.CertificateField[],
  { notBefore, notAfter }: Required<Validity>,
): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  const spki = createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();
  certificate.publicKey = forge.pki.publicKeyFromPem(spki);
  certificate.serialNumber = serialNumber();
  certificate.setSubject(subject);
  certificate.setIssuer(issuer);
  certificate.validity.notBefore = notBefore;
  certificate.validity.notAfter = notAfter;
  return certificate;
}

function validity(wanted: Validity, days: number, end?: Date): Required<Validity> {
  if (!Number.isInteger(days) || days < 1) {
    throw new TlsCertsError(
      'INVALID',
      `certificates are valid for a whole number of days from 1 on, not ${days}`,
    );
  }
  const notBefore = wanted.notBefore ?? new Date(Date.now() - BACKDATED_MS);
  const usual = new Date(notBefore.getTime() + days * DAY_MS);
  const notAfter = wanted.notAfter ?? (end !== undefined && end < usual ? end : usual);
  for (const [name, date] of Object.entries({ notBefore, notAfter })) {
    if (!(date.getTime() >= 0 && date.getTime() <= LAST_DATE)) {
      throw new TlsCertsError('INVALID', `${name} ${String(date)} is not between 1970 and 2049`);
    }
  }
  if (notAfter <= notBefore) {
    throw new TlsCertsError(
      'INVALID',
      `notAfter ${notAfter.toISOString()} is not after ${notBefore.toISOString()}`,
    );
  }
  return { notBefore, notAfter };
}

/** 127 random bits, not 0 in front: positive, and no two alike (RFC 5280, 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8((bytes.readUInt8(0) & 0x7f) | 0x40, 0);
  return bytes.toString('hex');
}

function subjectKeyIdentifier(certificate: forge.pki.Certificate): string {
  const extension: unknown = certificate.getExtension('subjectKeyIdentifier');
  const own =
    typeof extension === 'object' && extension !== null && 'subjectKeyIdentifier' in extension
      ? extension.subjectKeyIdentifier
      : undefined;
  return typeof own === 'string'
    ? forge.util.hexToBytes(own)
    : certificate.generateSubjectKeyIdentifier().getBytes();
}

/** GeneralName (RFC 5280, 4.2.1.6): 2 is a DNS name, 7 an IP address. */
function alternativeName(name: string): { type: number; value?: string; ip?: string } {
  if (isIPv4(name) || (isIPv6(name) && !name.includes('%'))) return { type: 7, ip: name };
  const isDnsName =
    name.length <= 253 &&
    /^(\*\.)?([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(
      name,
    );
  if (!isDnsName) throw new TlsCertsError('INVALID', `'${name}' is neither an IP address nor a DNS name`);
  return { type: 2, value: name };
}

/** Signs with OpenSSL, which takes milliseconds where RSA in JavaScript takes a good part of a second. */
function signWith(certificate: forge.pki.Certificate, key: KeyObject, issuer?: forge.asn1.Asn1): string {
  const algorithm = forge.pki.oids.sha384WithRSAEncryption;
  if (algorithm === undefined || pki.getTBSCertificate === undefined)
    throw new Error('this node-forge does not know sha384WithRSAEncryption or getTBSCertificate');
  certificate.signatureOid = algorithm;
  certificate.siginfo.algorithmOid = algorithm;
  certificate.tbsCertificate = pki.getTBSCertificate(certificate);
  if (issuer !== undefined) memberOf(certificate.tbsCertificate, ISSUER).value = issuer.value;
  certificate.signature = sign('sha384', bytesOf(certificate.tbsCertificate), key).toString('latin1');
  return new X509Certificate(bytesOf(forge.pki.certificateToAsn1(certificate))).toString();
}

/** Places in a TBSCertificate of version 3 (RFC 5280, 4.1). */
const ISSUER = 3;
const SUBJECT = 5;

function memberOf({ value }: forge.asn1.Asn1, index: number): forge.asn1.Asn1 {
  const member = typeof value === 'string' ? undefined : value[index];
  if (member === undefined) throw new Error('it is not a certificate of version 3');
  return member;
}

function bytesOf(structure: forge.asn1.Asn1): Buffer {
  return Buffer.from(forge.asn1.toDer(structure).getBytes(), 'latin1');
}

function pem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}
