import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expired, future, Scratch } from '../testing/scratch.js';
import { explainFailure, explainVerification } from './explain.js';

const scratch = new Scratch();
let good: X509Certificate;
let over: X509Certificate;
let early: X509Certificate;
beforeAll(async () => {
  const [a, b, c] = await Promise.all(
    [{}, expired, future].map(async (dates) => {
      const { certificate } = await scratch.issue('agent', dates);
      return new X509Certificate(certificate);
    }),
  );
  if (a === undefined || b === undefined || c === undefined) throw new Error('unreachable');
  [good, over, early] = [a, b, c];
});
afterAll(() => scratch.remove());

const NAME = 'the certificate CN=infraagent-client';
const seconds = (date: Date) => `${date.toISOString().slice(0, 19)}Z`;

describe('a certificate that is not accepted', () => {
  it('has expired, or its authority has', () => {
    const ended = seconds(expired.notAfter);
    expect(explainVerification('CERT_HAS_EXPIRED', over)).toBe(`${NAME} expired on ${ended}`);
    expect(explainVerification('CERT_HAS_EXPIRED', good)).toBe(`an authority of ${NAME} has expired`);
  });

  it('is not valid yet, or its authority is not', () => {
    const begins = seconds(future.notBefore);
    expect(explainVerification('CERT_NOT_YET_VALID', early)).toBe(`${NAME} is not valid before ${begins}`);
    expect(explainVerification('CERT_NOT_YET_VALID', good)).toBe(`an authority of ${NAME} is not valid yet`);
  });

  it.each([
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_GET_ISSUER_CERT',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'CERT_SIGNATURE_FAILURE',
  ])('comes from somebody else: %s', (code) => {
    expect(explainVerification(code, good)).toBe(
      `${NAME} was not issued by an authority that is trusted here`,
    );
  });

  it('is for something else, or whatever OpenSSL says', () => {
    expect(explainVerification('INVALID_PURPOSE', good)).toBe(
      `${NAME} is not for this purpose (extended key usage)`,
    );
    expect(explainVerification('ODD', good)).toBe(`${NAME} is not accepted: ODD`);
  });
});

describe('a connection that did not come about', () => {
  const openssl = (reason: string, code = 'EPROTO') =>
    Object.assign(
      new Error(`write EPROTO 80E2:error:0A000000:SSL routines:ssl3_get_record:${reason}:../ssl.c:1:`),
      {
        code,
      },
    );

  it.each<[string, unknown, string]>([
    [
      'no TLS there',
      openssl('wrong version number'),
      'the server does not speak TLS; is it configured as insecure?',
    ],
    [
      'no TLS there, in other words',
      openssl('packet length too long'),
      'the server does not speak TLS; is it configured as insecure?',
    ],
    [
      'no TLS there, by its code',
      openssl('', 'ERR_SSL_WRONG_VERSION_NUMBER'),
      'the server does not speak TLS; is it configured as insecure?',
    ],
    [
      'no common suite',
      openssl('ssl/tls alert handshake failure'),
      'no cipher suite is acceptable to both sides',
    ],
    ['no common suite here', openssl('no shared cipher'), 'no cipher suite is acceptable to both sides'],
    [
      'no common version',
      openssl('tlsv1 alert protocol version'),
      'no version of TLS is acceptable to both sides',
    ],
    [
      'no common version here',
      openssl('unsupported protocol'),
      'no version of TLS is acceptable to both sides',
    ],
    ['an alert', openssl('tlsv1 alert unknown ca'), 'the server refused: tlsv1 alert unknown ca'],
    [
      'an end',
      Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }),
      'the server closed the connection before TLS was set up',
    ],
    [
      'an end while writing',
      Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }),
      'the server closed the connection before TLS was set up',
    ],
    ['another error', Object.assign(new Error('out of luck'), { code: 'EODD' }), 'out of luck'],
    ['no error', 'nothing', 'nothing'],
  ])('because of %s', (_, error, expected) => expect(explainFailure(error)).toBe(expected));
});
