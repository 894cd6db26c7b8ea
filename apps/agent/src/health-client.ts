import { type ChannelCredentials, Client, type ServiceError } from '@grpc/grpc-js';
import { connectClient, failureText } from '@infra-offload/grpc';
import { service } from 'grpc-health-check';

/** An answer to grpc.health.v1 Check, or why there is none. */
export type Health =
  | { readonly serving: true }
  /** `reason` is for people. */
  | { readonly serving: false; readonly reason: string };

/**
 * Asks a gRPC server whether it serves (grpc.health.v1, `Check` for the server as a whole). Never fails.
 *
 * @param timeoutMs after which it counts as not serving.
 */
export async function checkHealth(
  address: string,
  credentials: ChannelCredentials,
  timeoutMs: number,
): Promise<Health> {
  const { Check: check } = service;
  if (check === undefined) throw new Error('grpc.health.v1 has no Check');
  const { client, close } = connectClient(Client, address, credentials);
  try {
    return await new Promise<Health>((resolve) => {
      client.makeUnaryRequest<object, object>(
        check.path,
        check.requestSerialize,
        check.responseDeserialize,
        { service: '' },
        { deadline: Date.now() + timeoutMs },
        (error: ServiceError | null, response?: object) => {
          const status = response !== undefined && 'status' in response ? String(response.status) : '';
          if (status === 'SERVING') resolve({ serving: true });
          else resolve({ serving: false, reason: error === null ? `it says ${status}` : failureText(error) });
        },
      );
    });
  } finally {
    close(0);
  }
}
