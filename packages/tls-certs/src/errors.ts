import { typedError } from '@infra-offload/base';

/** What went wrong, stable across versions. */
export type TlsCertsErrorCode =
  /** A file or directory cannot be read or written; the message names it. */
  | 'FILE'
  /** Something would be overwritten. */
  | 'EXISTS'
  /** A file is not the PEM text that it should be. */
  | 'PEM'
  /** The private key does not belong to the certificate. */
  | 'KEY_MISMATCH'
  /** The certificate, or one that it depends on, is not valid any more. */
  | 'EXPIRED'
  /** The certificate, or one that it depends on, is not valid yet. */
  | 'NOT_YET_VALID'
  /** The certificate was not issued by any of the authorities. */
  | 'CA_MISMATCH'
  /** An authority is no root, and the file lacks that of its issuer. */
  | 'NO_ROOT'
  /** The certificate's extended key usage does not allow what it is used for. */
  | 'USAGE'
  /** Cipher suites, sizes of keys, dates or addresses that cannot be used. */
  | 'INVALID'
  /** kubectl could not be run, or failed. */
  | 'KUBECTL';

/** The one error class of this package. Recognise it with {@link TlsCertsError.is}. */
export class TlsCertsError extends typedError<TlsCertsErrorCode, Readonly<Record<string, string>>>(
  'TlsCertsError',
) {}
