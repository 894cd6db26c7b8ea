import { parseJson, YamlError } from '@infra-offload/yaml/json';
import { KubernetesApiError } from './error.js';

/**
 * Parses what the server sent: JSON that is not so deep that reading it would cost more than its size.
 *
 * @param what for the message: `the list`
 * @throws {KubernetesApiError} `BAD_RESPONSE`
 */
export function decodeJson(text: string, what: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    if (!YamlError.is(cause)) throw cause;
    throw new KubernetesApiError('BAD_RESPONSE', `${what} ${cause.reason}`, { cause });
  }
}
