import { lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { AgentError, isSystemError } from '../errors.js';

/**
 * Removes a socket that a process has left behind, so that another can listen there.
 *
 * @param what for messages.
 * @throws AgentError SOCKET if somebody listens on it, or if there is something else of that name.
 */
export async function removeStaleSocket(path: string, what: string): Promise<void> {
  try {
    if (!(await lstat(path)).isSocket()) {
      throw new AgentError('SOCKET', `${what} ${path}: there is a file of that name which is no socket`);
    }
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return;
    throw error;
  }
  const isServed = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (isServed) throw new AgentError('SOCKET', `${what} ${path}: another infra-agent listens there`);
  await unlink(path);
}
