import { frontendKey } from '../drivers/common.js';
import type { FoundService } from '../drivers/driver.js';
import type { ServiceObject } from '../model/objects.js';

/** Services that a device has and nobody here remembers, until one with the same frontend is wanted. */
export class FoundServices {
  readonly #byFrontend = new Map<string, FoundService>();
  readonly #ids = new Set<number>();

  add(service: FoundService): void {
    this.#ids.add(service.id);
    for (const { frontend, protocol } of service.frontends)
      this.#byFrontend.set(frontendKey(frontend, protocol), service);
  }

  /** What a service is in the device; from now on it is remembered. */
  take({ frontends, protocol }: ServiceObject): FoundService | undefined {
    for (const frontend of frontends) {
      const found = this.#byFrontend.get(frontendKey(frontend, protocol));
      if (found !== undefined && this.#ids.delete(found.id)) return found;
    }
    return undefined;
  }

  /** Forgets all. Returns the ids that nobody has taken. */
  takeRest(): readonly number[] {
    const ids = [...this.#ids];
    this.#ids.clear();
    this.#byFrontend.clear();
    return ids;
  }
}
