import type { IPv4 } from '@infra-offload/net';
import { addressKey } from '../drivers/common.js';
import type { Claim, CompileContext, Compiled, Driver, Resident } from '../drivers/driver.js';
import { unreachable } from '../errors.js';
import { condition } from '../model/condition.js';
import {
  kindOf,
  type ObjectKey,
  type PodObject,
  type ServiceObject,
  type WantedState,
} from '../model/objects.js';
import type { Claims } from '../state/claims.js';
import type { Allocations } from './allocations.js';
import type { Entry } from './entry.js';
import { hasRows, interfaceOf } from './facts.js';
import type { Policies } from './policies.js';
import type { PortDirectory } from './ports.js';

interface ObjectCompilerOptions<Row> {
  readonly driver: Driver<Row>;
  readonly entries: ReadonlyMap<ObjectKey, Entry<Row>>;
  readonly claims: Claims;
  readonly ports: PortDirectory;
  readonly allocations: Allocations<Row>;
  readonly policies: Policies<Row>;
}

/** What objects claim, and the rows that the driver makes of them with all that the controller knows. */
export class ObjectCompiler<Row> {
  readonly #driver: Driver<Row>;
  readonly #entries: ReadonlyMap<ObjectKey, Entry<Row>>;
  readonly #claims: Claims;
  readonly #ports: PortDirectory;
  readonly #allocations: Allocations<Row>;
  readonly #policies: Policies<Row>;

  constructor({ driver, entries, claims, ports, allocations, policies }: ObjectCompilerOptions<Row>) {
    this.#driver = driver;
    this.#entries = entries;
    this.#claims = claims;
    this.#ports = ports;
    this.#allocations = allocations;
    this.#policies = policies;
  }

  /** What an object needs for itself. */
  claimsOf(object: WantedState | undefined, context: CompileContext): readonly Claim[] {
    return hasRows(object) ? this.#driver.claims(object, context) : [];
  }

  /**
   * What the driver may ask about an object's surroundings.
   *
   * @param asked takes the addresses that the object asks for.
   */
  context(key: ObjectKey, asked?: Set<IPv4>): CompileContext {
    return {
      since: this.#entries.get(key)?.since ?? 0,
      port: (name) => this.#ports.lookup(name),
      profiles: () => this.#policies.of(key).ids,
      holder: (claim) => this.#claims.holder(claim, key),
      resident: (address) => {
        asked?.add(address);
        return this.#resident(address);
      },
    };
  }

  #resident(address: IPv4): Resident | undefined {
    const key = this.#claims.first(addressKey(address));
    const object = key && this.#entries.get(key)?.object;
    const at = interfaceOf(object);
    if (key === undefined || at === undefined) return undefined;
    const found = this.#ports.lookup(at.interfaceName);
    if (found.kind !== 'known') return undefined;
    const { port } = found;
    const lost = [`interface/${at.interfaceName}`, `port/${port}`].some(
      (claim) => this.#claims.holder(claim, key) !== undefined,
    );
    return lost ? undefined : { mac: at.mac, port };
  }

  /** The rows of an object, and what cannot be done of it. Allocates what a service needs. */
  rowsOf(entry: Entry<Row>, context: CompileContext): Compiled<Row> {
    const { object } = entry;
    switch (object?.kind) {
      case 'node':
        return this.#driver.node(object, context);
      case 'pod':
        return this.#podRows(entry.key, object, context);
      case 'set':
      case 'policy':
      case 'isolation':
        return NOTHING;
      case 'service':
      case undefined:
        return kindOf(entry.key) === 'service' ? this.#serviceRows(entry, object, context) : NOTHING;
      default:
        return unreachable(object);
    }
  }

  /** The rows of a pod, and those that isolate it. Without these it gets nothing through. */
  #podRows(key: ObjectKey, pod: PodObject, context: CompileContext): Compiled<Row> {
    const { rows, conditions } = this.#driver.pod(pod, context);
    if (rows.length === 0) return { rows, conditions };
    const { ids, isCutOff } = this.#policies.of(key);
    const isolation = this.#driver.policy.isolation(pod, ids);
    return { rows: isCutOff ? isolation : [...rows, ...isolation], conditions };
  }

  #serviceRows(
    entry: Entry<Row>,
    service: ServiceObject | undefined,
    context: CompileContext,
  ): Compiled<Row> {
    const refusal = service && this.#driver.refusal(service);
    if (refusal !== undefined) return { rows: [], conditions: [refusal] };
    const endpoints = service === undefined ? [] : this.#driver.reachable(service, context);
    const allocation = this.#allocations.plan(entry, service, endpoints);
    if (allocation === undefined) return NOTHING;
    if (allocation !== 'no-id') return this.#driver.service(service, allocation, context);
    const message = `all ${this.#driver.limits.serviceIds} service ids are in use: remove services, or split the node's load`;
    return { rows: [], conditions: [condition('IdsExhausted', message)] };
  }
}

const NOTHING: Compiled<never> = { rows: [], conditions: [] };
