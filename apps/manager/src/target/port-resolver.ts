import { Backoff, type BackoffOptions, messageOf } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import type { Mac } from '@infra-offload/net';
import type { PortLookup } from '../drivers/driver.js';
import { ManagerError } from '../errors.js';
import type { Logger } from '../log.js';

/** Tells port numbers of interfaces. */
export interface PortSource {
  /**
   * @throws ManagerError NOT_FOUND when the target has no such interface, TARGET_UNAVAILABLE when it cannot be asked.
   */
  portOf(interfaceName: string, mac?: Mac): Promise<number>;
}

const RETRY: BackoffOptions = { initialMs: 200, maxMs: 5_000 };

/**
 * Finds out the ports of interfaces in the background and goes on asking until there is an answer, because an interface
 * may be made after the object that names it.
 */
export class PortResolver {
  readonly #source: PortSource;
  readonly #isWanted: (name: string) => boolean;
  readonly #onPort: (name: string, found: PortLookup) => void;
  readonly #logger: Logger;
  readonly #asking = new Set<string>();
  readonly #stop = new AbortController();

  /**
   * @param isWanted whether anything names the interface still.
   * @param onPort called with every answer.
   */
  constructor(
    source: PortSource,
    isWanted: (name: string) => boolean,
    onPort: (name: string, found: PortLookup) => void,
    logger: Logger,
  ) {
    this.#source = source;
    this.#isWanted = isWanted;
    this.#onPort = onPort;
    this.#logger = logger;
  }

  /** Asks for a port in the background; does nothing if that is under way. */
  request(name: string): void {
    if (this.#asking.has(name) || this.#stop.signal.aborted) return;
    this.#asking.add(name);
    const guard = new Guard((error) => this.#logger.error({ interface: name, err: error }, 'internal error'));
    guard.run(() => this.#ask(name).finally(() => this.#asking.delete(name)));
  }

  /** Asks the target now, for a caller that waits. */
  async lookup(name: string, mac?: Mac): Promise<number> {
    const port = await this.#source.portOf(name, mac);
    this.#onPort(name, { kind: 'known', port });
    return port;
  }

  stop(): void {
    this.#stop.abort();
  }

  async #ask(name: string): Promise<void> {
    const { signal } = this.#stop;
    // Not within the call of whoever asks: that one may not be ready for the answer.
    await Promise.resolve();
    const backoff = new Backoff(RETRY);
    for (let isFirst = true; !signal.aborted && this.#isWanted(name); isFirst = false) {
      try {
        await this.lookup(name);
        return;
      } catch (error) {
        if (isFirst) this.#logger.warn({ interface: name, reason: messageOf(error) }, 'port not known yet');
        if (ManagerError.is(error, 'NOT_FOUND'))
          this.#onPort(name, { kind: 'missing', message: error.message });
      }
      await backoff.wait(signal, { ref: false });
    }
  }
}
