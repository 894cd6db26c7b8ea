import type { ChannelCredentials, ChannelOptions } from '@grpc/grpc-js';
import { type Connected, connectClient } from '@infra-offload/grpc';
import { OffloadClient } from '@infra-offload/infra-api';
import {
  type ClientSecurity,
  openClientSecurity,
  TlsCertsError,
  type TlsLogger,
  type TlsMode,
} from '@infra-offload/tls-certs/grpc';
import type { AgentConfig } from '../config/schema.js';
import { AgentError } from '../errors.js';

/** Services with many endpoints make long messages; the manager allows the same. */
const maxMessageBytes = 16 * 1024 * 1024;

const channelOptions: ChannelOptions = {
  'grpc.max_receive_message_length': maxMessageBytes,
  'grpc.max_send_message_length': maxMessageBytes,
  // A manager that vanished without closing its connection is noticed by these.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
};

/** What tells how the connection to the manager is protected. */
export type SecuritySettings = Pick<AgentConfig, 'insecure' | 'mtls' | 'clientCert' | 'clientKey' | 'caCert'>;

/**
 * How the agent proves itself to the manager, and the manager to it: one place for all calls.
 *
 * @throws AgentError CONFIG if a certificate cannot be used; the message names its file.
 */
export function managerSecurity(settings: SecuritySettings, logger?: TlsLogger): ClientSecurity {
  const { clientCert: cert, clientKey: key, caCert: ca } = settings;
  try {
    return openClientSecurity({ mode: tlsMode(settings), cert, key, ca }, 'manager', logger);
  } catch (cause) {
    if (!TlsCertsError.is(cause)) throw cause;
    const message = `certificates for infra-manager: ${cause.message}`;
    throw new AgentError('CONFIG', message, { details: cause.details, cause });
  }
}

/** Mutual TLS unless told otherwise. */
function tlsMode({ insecure, mtls }: Pick<SecuritySettings, 'insecure' | 'mtls'>): TlsMode {
  if (insecure === true) return 'insecure';
  return mtls === false ? 'tls' : 'mtls';
}

/** The channel to the manager; it connects by itself, as often as need be. */
export function connectManager(address: string, credentials: ChannelCredentials): Connected<OffloadClient> {
  return connectClient(OffloadClient, address, credentials, channelOptions);
}
