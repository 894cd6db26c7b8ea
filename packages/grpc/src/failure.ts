/**
 * Why a call failed, as the server or the network said it, without grpc-js's words around the cause of a failed connection;
 * `message` if they said nothing.
 */
export function failureText({
  details,
  message = '',
}: {
  readonly details?: string | undefined;
  readonly message?: string;
}): string {
  const text = details
    ?.replace(/^No connection established\. Last error: /, '')
    // A heading that nothing follows.
    .replace(/\.?\s*Resolution note:\s*$/, '');
  return text || message;
}
