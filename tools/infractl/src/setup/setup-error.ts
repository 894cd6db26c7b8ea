/** Why a step cannot be done; the message tells what helps. */
export class SetupError extends Error {
  override readonly name = 'SetupError';
}
