import type { X509Certificate } from 'node:crypto';
import { isSystemError, messageOf } from '@infra-offload/base';
import { datesOf, nameOf, stamp } from '../material.js';

/** Why a certificate was not accepted, from OpenSSL's code for it. */
export function explainVerification(code: string, certificate: X509Certificate): string {
  const name = nameOf(certificate);
  const { notBefore, notAfter } = datesOf(certificate);
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return notAfter < new Date()
        ? `the certificate ${name} expired on ${stamp(notAfter)}`
        : `an authority of the certificate ${name} has expired`;
    case 'CERT_NOT_YET_VALID':
      return notBefore > new Date()
        ? `the certificate ${name} is not valid before ${stamp(notBefore)}`
        : `an authority of the certificate ${name} is not valid yet`;
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'CERT_SIGNATURE_FAILURE':
      return `the certificate ${name} was not issued by an authority that is trusted here`;
    case 'INVALID_PURPOSE':
      return `the certificate ${name} is not for this purpose (extended key usage)`;
    default:
      return `the certificate ${name} is not accepted: ${code}`;
  }
}

/** Why a TLS connection did not come about, from the error that Node gives. */
export function explainFailure(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  // OpenSSL's words are in the message only, where the system's code is EPROTO.
  const reason = /SSL routines:[^:]*:([^:]+)/.exec(messageOf(error))?.[1] ?? '';
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || /wrong version number|packet length too long/.test(reason)) {
    return 'the server does not speak TLS; is it configured as insecure?';
  }
  if (/handshake failure|no shared cipher/.test(reason)) return 'no cipher suite is acceptable to both sides';
  if (/protocol version|unsupported protocol/.test(reason))
    return 'no version of TLS is acceptable to both sides';
  if (/alert/.test(reason)) return `the server refused: ${reason}`;
  if (isSystemError(error, 'ECONNRESET', 'EPIPE'))
    return 'the server closed the connection before TLS was set up';
  return messageOf(error);
}
