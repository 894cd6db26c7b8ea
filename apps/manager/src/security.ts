import type { ChannelCredentials } from '@grpc/grpc-js';
import { ServiceError } from '@infra-offload/service';
import {
  type CertificateSource,
  openClientSecurity,
  openServerSecurity,
  type ServerSecurity,
  TlsCertsError,
} from '@infra-offload/tls-certs/grpc';
import type { Config } from './config/config.js';
import type { Loggers } from './log.js';

/** The manager's certificates, as those that connect and those that are connected to use them. */
export interface Security {
  readonly server: ServerSecurity;
  readonly p4runtime: ChannelCredentials;
  readonly gnmi: ChannelCredentials;
  /** Certificates in use, by what they are used for. */
  readonly certificates: ReadonlyMap<'server' | 'p4runtime' | 'gnmi', CertificateSource>;
  close(): void;
}

/** Loads all certificates. @throws ServiceError CONFIG that names the setting and the file */
export function openSecurity({ tls, target }: Config, loggers: Loggers): Security {
  const certificates = new Map<'server' | 'p4runtime' | 'gnmi', CertificateSource>();
  const close = () => {
    for (const source of certificates.values()) source.close();
  };
  const client = (name: 'p4runtime' | 'gnmi') => {
    const { credentials, source } = openClientSecurity(target[`${name}Tls`], 'target', loggers.target);
    if (source !== undefined) certificates.set(name, source);
    return credentials;
  };
  let setting = 'tls';
  try {
    const server = openServerSecurity(tls, loggers.server);
    if (server.mode !== 'insecure') certificates.set('server', server.source);
    setting = 'target.p4runtimeTls';
    const p4runtime = client('p4runtime');
    setting = 'target.gnmiTls';
    const gnmi = client('gnmi');
    return { server, p4runtime, gnmi, certificates, close };
  } catch (error) {
    close();
    if (!TlsCertsError.is(error)) throw error;
    throw new ServiceError('CONFIG', `${setting}: ${error.message}`, { cause: error });
  }
}
