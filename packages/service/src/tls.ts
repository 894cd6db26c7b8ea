import { TLS_MODES } from '@infra-offload/tls-certs/grpc';
import * as z from 'zod';

/** Where the files of a key `tls` are unless it says otherwise. */
export interface TlsDefaults {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  /** Default: all that HTTP/2 allows. */
  readonly cipherSuites?: readonly string[];
}

/** `tls.crt`, `tls.key` and `ca.crt` in a directory. */
export function tlsFilesIn(directory: string): TlsDefaults {
  return { cert: `${directory}/tls.crt`, key: `${directory}/tls.key`, ca: `${directory}/ca.crt` };
}

/** Schema of how a connection is protected. The files are PEM; those that the mode does not need are not read. */
export function tlsSchema({ cert, key, ca, cipherSuites }: TlsDefaults) {
  const file = z.string().min(1);
  const suites = z.array(z.string()).min(1);
  return z
    .strictObject({
      /** mtls: both sides have certificates; tls: the server only; insecure: plain text. */
      mode: z.enum(TLS_MODES).default('mtls'),
      cert: file.default(cert),
      key: file.default(key),
      /** Authorities of the other side. */
      ca: file.default(ca),
      /** IANA names, for TLS 1.2 and 1.3. */
      cipherSuites: cipherSuites === undefined ? suites.optional() : suites.default([...cipherSuites]),
    })
    .prefault({});
}
