import type { ChannelCredentials, ChannelOptions } from '@grpc/grpc-js';
import { type Connected, connectClient } from '@infra-offload/grpc';
import { OffloadClient } from '@infra-offload/infra-api';
import { ServiceError } from '@infra-offload/service';
import {
  type ClientSecurity,
  openClientSecurity,
  TlsCertsError,
  type TlsLogger,
} from '@infra-offload/tls-certs/grpc';
import type { AgentConfig } from '../config/schema.js';

/** Services with many endpoints make long messages; the manager allows the same. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  // A manager that vanished without closing its connection is noticed by these.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
};

/** What tells how the connection to the manager is protected. */
export type SecuritySettings = Pick<AgentConfig, 'tls'>;

/**
 * How the agent proves itself to the manager, and the manager to it: one place for all calls.
 *
 * @throws ServiceError CONFIG if a certificate cannot be used; the message names its file.
 */
export function managerSecurity({ tls }: SecuritySettings, logger?: TlsLogger): ClientSecurity {
  try {
    return openClientSecurity(tls, 'manager', logger);
  } catch (cause) {
    if (!TlsCertsError.is(cause)) throw cause;
    throw new ServiceError('CONFIG', `certificates for infra-manager: ${cause.message}`, { cause });
  }
}

/** The channel to the manager; it connects by itself, as often as need be. */
export function connectManager(address: string, credentials: ChannelCredentials): Connected<OffloadClient> {
  return connectClient(OffloadClient, address, credentials, CHANNEL_OPTIONS);
}
