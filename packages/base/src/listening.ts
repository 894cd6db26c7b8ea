import { once } from 'node:events';
import { connect, type ListenOptions, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { isSystemError } from './thrown.js';

/** Longer than TCP keeps the address of a connection that is over: 60 s (`TIME_WAIT`). */
const PATIENCE_MS = 90_000;
const RETRY_MS = 1_000;
/** Anything on this machine answers sooner. */
const ANSWER_MS = 1_000;

/**
 * Has a server listen. If no other server has its port, but a connection, this waits until that is over: connections are given
 * ports to call from that nobody has at that time. One that calls this very port of its own machine while nobody listens is
 * even connected with itself, and its port is free only a minute after it has noticed.
 *
 * @param onWait the port is not free yet
 * @throws Error of the system: EADDRINUSE if another server has the address, or if it is not free after 90 s
 */
export async function listenWhenFree(
  server: Server,
  place: ListenOptions,
  onWait?: (error: NodeJS.ErrnoException) => void,
): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (let waits = false; ; waits = true) {
    try {
      await listening(server, place);
      return;
    } catch (error) {
      if (!isSystemError(error, 'EADDRINUSE') || !place.port || performance.now() > deadline) throw error;
      if (await isServed(place.port, place.host)) throw error;
      if (!waits) onWait?.(error);
      await sleep(RETRY_MS);
    }
  }
}

async function listening(server: Server, place: ListenOptions): Promise<void> {
  server.listen(place);
  await once(server, 'listening');
}

async function isServed(port: number, host?: string): Promise<boolean> {
  const client = connect({ port, ...(host !== undefined && { host }) });
  try {
    await once(client, 'connect', { signal: AbortSignal.timeout(ANSWER_MS) });
    return client.localPort !== port;
  } catch (error) {
    // What does not answer is there.
    return !isSystemError(error, 'ECONNREFUSED');
  } finally {
    client.destroy();
  }
}
