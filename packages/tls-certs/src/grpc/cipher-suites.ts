import { getCiphers, type SecureContextOptions } from 'node:tls';
import { TlsCertsError } from '../errors.js';

/**
 * Cipher suites by their IANA names, and what OpenSSL calls them: those that HTTP/2 allows (RFC 9113, 9.2.2 and
 * appendix A), so with forward secrecy and authenticated encryption.
 */
const OPENSSL_NAMES = {
  TLS_AES_128_GCM_SHA256: 'TLS_AES_128_GCM_SHA256',
  TLS_AES_256_GCM_SHA384: 'TLS_AES_256_GCM_SHA384',
  TLS_CHACHA20_POLY1305_SHA256: 'TLS_CHACHA20_POLY1305_SHA256',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
} as const;

/** What an infra-manager of IPDK offers: one suite for TLS 1.2, one for TLS 1.3. */
export const DEFAULT_CIPHER_SUITES: readonly string[] = [
  'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
  'TLS_AES_256_GCM_SHA384',
];

/** The cipher suites that can be configured, by their IANA names: what HTTP/2 allows and this Node has. */
export function availableCipherSuites(): string[] {
  const offered = new Set(getCiphers().map((name) => name.toUpperCase()));
  return Object.entries(OPENSSL_NAMES)
    .filter(([, name]) => offered.has(name.toUpperCase()))
    .map(([name]) => name);
}

/**
 * What TLS options are to be for these cipher suites. Without suites of TLS 1.2 that version is off, and likewise 1.3.
 *
 * @param suites IANA names.
 * @throws TlsCertsError INVALID for an empty list, and for a name that is unknown or not on offer; it lists those that are
 */
export function cipherOptions(
  suites: readonly string[],
): Required<Pick<SecureContextOptions, 'ciphers' | 'minVersion' | 'maxVersion'>> {
  const available = availableCipherSuites();
  const valid = `; valid here: ${available.join(', ')}`;
  if (suites.length === 0) throw new TlsCertsError('INVALID', `no cipher suite is given${valid}`);
  const names = suites.map((suite) => {
    const [, name] =
      Object.entries(OPENSSL_NAMES).find(([iana]) => iana === suite && available.includes(suite)) ?? [];
    if (name === undefined)
      throw new TlsCertsError('INVALID', `cipher suite '${suite}' cannot be used${valid}`);
    return name;
  });
  const isOfTls13 = (name: string) => name.startsWith('TLS_');
  return {
    ciphers: [...new Set(names)].join(':'),
    minVersion: names.every(isOfTls13) ? 'TLSv1.3' : 'TLSv1.2',
    maxVersion: names.some(isOfTls13) ? 'TLSv1.3' : 'TLSv1.2',
  };
}
