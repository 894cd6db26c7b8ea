import { type ChannelCredentials, credentials } from '@grpc/grpc-js';
import type { Role } from '../roles.js';
import { channelCredentials } from './channel.js';
import type { ServerSecurity } from './listener.js';
import { CertificateSource, type TlsLogger } from './source.js';

/** How a connection is protected: both sides by certificates, the server only, or not at all. */
export const TLS_MODES = ['mtls', 'tls', 'insecure'] as const;
export type TlsMode = (typeof TLS_MODES)[number];

/** What a configuration says of one side of a connection. Files that the mode does not need are not read. */
export interface TlsSettings {
  readonly mode: TlsMode;
  /** Own certificate and key, PEM. */
  readonly cert: string;
  readonly key: string;
  /** Authorities of both sides, PEM. */
  readonly ca: string;
  /** IANA names. Default: all that HTTP/2 allows and Node has. */
  readonly cipherSuites?: readonly string[] | undefined;
}

/** @throws TlsCertsError as {@link CertificateSource.open} */
export function openServerSecurity(settings: TlsSettings, logger?: TlsLogger): ServerSecurity {
  const { mode, cert, key, ca } = settings;
  if (mode === 'insecure') return { mode };
  const files = mode === 'mtls' ? { cert, key, ca } : { cert, key };
  return { mode, source: open('server', files, settings, logger) };
}

/** Credentials of a client, and where its certificates come from. */
export interface ClientSecurity {
  readonly credentials: ChannelCredentials;
  /** Undefined without TLS. */
  readonly source: CertificateSource | undefined;
}

/**
 * @param server what the server has to be.
 * @throws TlsCertsError as {@link CertificateSource.open}
 */
export function openClientSecurity(settings: TlsSettings, server: Role, logger?: TlsLogger): ClientSecurity {
  const { mode, cert, key, ca } = settings;
  if (mode === 'insecure') return { credentials: credentials.createInsecure(), source: undefined };
  const files = mode === 'mtls' ? { cert, key, ca } : { ca };
  const source = open('client', files, settings, logger);
  return { credentials: channelCredentials(source, server), source };
}

function open(
  usage: 'server' | 'client',
  files: { readonly cert?: string; readonly key?: string; readonly ca?: string },
  { cipherSuites }: TlsSettings,
  logger: TlsLogger | undefined,
): CertificateSource {
  return CertificateSource.open({
    files,
    usage,
    ...(cipherSuites !== undefined && { cipherSuites }),
    ...(logger !== undefined && { logger }),
  });
}
