import type { SessionEvents, SessionOptions } from '../session/options.js';
import { P4RuntimeSession } from '../session/session.js';
import type { FakeServer } from './fake-server.js';

/** The sessions of a test with a server; they close together. */
export class Sessions {
  readonly #server: FakeServer;
  readonly #open: P4RuntimeSession[] = [];

  constructor(server: FakeServer) {
    this.#server = server;
  }

  async open(options: Partial<SessionOptions> = {}): Promise<P4RuntimeSession> {
    const session = await P4RuntimeSession.open({
      address: this.#server.address,
      deviceId: 1,
      electionId: 1n,
      reconnect: { initialDelayMs: 5, maxDelayMs: 20 },
      deadlineMs: 20_000,
      ...options,
    });
    this.#open.push(session);
    return session;
  }

  close(): void {
    for (const session of this.#open.splice(0)) session.close();
  }
}

/** Waits for the next event of a kind. */
export function once<E extends keyof SessionEvents>(
  session: P4RuntimeSession,
  event: E,
): Promise<SessionEvents[E]> {
  return new Promise((resolve) => {
    const off = session.on(event, (...args) => {
      off();
      resolve(args);
    });
  });
}
