import { type ChannelCredentials, type ChannelOptions, credentials } from '@grpc/grpc-js';
import { OffloadClient } from '@infra-offload/infra-api';

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

/** How the agent proves itself to the manager, and the manager to it: one place for all calls. */
export function managerCredentials(): ChannelCredentials {
  return credentials.createInsecure();
}

/** The channel to the manager; it connects by itself, as often as need be. */
export function connectManager(address: string): OffloadClient {
  return new OffloadClient(address, managerCredentials(), channelOptions);
}
