import { P4rtError, type WriteError } from '../errors.js';

/** With what a write fails, which has to be that updates of it failed. */
export async function writeFailure(write: Promise<void>): Promise<WriteError> {
  const error: unknown = await write.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!P4rtError.is(error, 'WRITE_FAILED')) throw new Error(`expected WRITE_FAILED, got ${String(error)}`);
  return error;
}
