import type { ChannelCredentials } from '@grpc/grpc-js';
import {
  type CertificateSource,
  openClientSecurity,
  openServerSecurity,
  type ServerSecurity,
  TlsCertsError,
} from '@infra-offload/tls-certs/grpc';
import type { Config } from './config/config.js';
import { ManagerError } from './errors.js';
import type { Loggers } from './log.js';

/** The manager's certificates, as those that connect and those that are connected to use them. */
export interface Security {
  readonly server: ServerSecurity;
  readonly p4runtime: ChannelCredentials;
  readonly gnmi: ChannelCredentials;
  /** What is wrong with certificates in use; undefined if nothing is. */
  problem(): string | undefined;
  close(): void;
}

/** Loads all certificates. @throws ManagerError CONFIG that names the setting and the file */
export function openSecurity({ tls, target }: Config, loggers: Loggers): Security {
  const sources: CertificateSource[] = [];
  const close = () => {
    for (const source of sources) source.close();
  };
  const client = (setting: 'p4runtimeTls' | 'gnmiTls') => {
    const { credentials, source } = openClientSecurity(target[setting], 'target', loggers.target);
    if (source !== undefined) sources.push(source);
    return credentials;
  };
  let setting = 'tls';
  try {
    const server = openServerSecurity(tls, loggers.server);
    if (server.mode !== 'insecure') sources.push(server.source);
    setting = 'target.p4runtimeTls';
    const p4runtime = client('p4runtimeTls');
    setting = 'target.gnmiTls';
    const gnmi = client('gnmiTls');
    const problem = () => sources.map((source) => source.problem).find((found) => found !== undefined);
    return { server, p4runtime, gnmi, problem, close };
  } catch (error) {
    close();
    if (!TlsCertsError.is(error)) throw error;
    throw new ManagerError('CONFIG', `${setting}: ${error.message}`, error.details, error);
  }
}
