import { type Actor, type Endpoint, POD_NAMES, type PodName } from './scenario.js';

/**
 * Who is meant by a pod's name. Which endpoint a service chooses first is chance, and all of them are alike: whichever it
 * is gets the first of their names, and the others take its own.
 */
export class Names {
  readonly #meant = new Map<PodName, PodName>(POD_NAMES.map((name) => [name, name]));
  readonly #chosen = new Set<PodName>();

  /** The actor of a lane that a scenario means. */
  meant(actor: Actor): Actor {
    return this.#isPod(actor) ? this.pod(actor) : actor;
  }

  /** The actors of a lane that a scenario means. */
  allMeant<Name extends Actor>(names: readonly Name[]): (Name | PodName)[] {
    return names.map((name) => (this.#isPod(name) ? this.pod(name) : name));
  }

  pod(name: PodName): PodName {
    return this.#meant.get(name) ?? name;
  }

  /** How a scenario calls an actor of a lane. */
  nameOf(actor: Actor): Actor {
    for (const [name, meant] of this.#meant) if (meant === actor) return name;
    return actor;
  }

  /** One of a service's endpoints, by the names in the scenario, was chosen. */
  choose(actor: Actor, endpoints: readonly Endpoint[]): void {
    const name = this.nameOf(actor);
    const pods = endpoints.filter((endpoint) => this.#isPod(endpoint));
    const free = pods.filter((endpoint) => !this.#chosen.has(endpoint));
    const [first] = free;
    if (pods.length < 2 || first === undefined || !this.#isPod(name) || !free.includes(name)) return;
    const [chosen, other] = [this.pod(name), this.pod(first)];
    this.#meant.set(name, other).set(first, chosen);
    this.#chosen.add(first);
  }

  #isPod(actor: Actor): actor is PodName {
    return this.#meant.has(actor as PodName);
  }
}
