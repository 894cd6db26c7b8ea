import { Listeners, messageOf } from '@infra-offload/base';
import type { Denial } from '@infra-offload/infra-api';
import { formatIPv4, type IPv4 } from '@infra-offload/net';
import type { Entity } from '@infra-offload/p4rt/proto';
import type { DenialRing, DeniedPacket } from '../drivers/driver.js';
import { ManagerError } from '../errors.js';
import type { Logger } from '../log.js';
import type { PodObject } from '../model/objects.js';
import type { ProfileInForce } from '../policy/keeper.js';
import type { ReadEntities } from './cells.js';
import { refusedByTarget } from './errors.js';

export interface DenialsContext {
  /** Undefined: the device does not tell. */
  readonly ring: DenialRing | undefined;
  /** Undefined while the device is away. */
  readonly read: () => ReadEntities | undefined;
  readonly inForce: () => readonly ProfileInForce[];
  readonly pods: () => Iterable<{ readonly pod: PodObject }>;
  readonly logger: Logger;
}

/** What was denied since it was looked at last. */
export interface DenialNews {
  readonly denials: readonly Denial[];
  /** Packets that are not among these, because there were too many. */
  readonly untold: bigint;
}

/** Kinds of denied packets that are remembered. */
const REMEMBERED = 1000;

/** The packets that policies have denied lately, read once a second from the last ones that a device remembers. */
export class Denials {
  readonly #context: DenialsContext;
  /** What was denied, by kind; those that came last are last. */
  readonly #recent = new Map<string, Denial>();
  readonly #listeners = new Listeners<[news: DenialNews]>();
  /** Packets that the device had counted when it was looked at last; undefined before that. */
  #count: bigint | undefined;
  #untold = 0n;
  #isLooking = false;
  #failure: { readonly reason: string; readonly error: unknown } | undefined;

  constructor(context: DenialsContext) {
    this.#context = context;
  }

  /**
   * What is remembered, oldest first.
   *
   * @throws ManagerError UNSUPPORTED if the target does not tell it
   */
  recent(): DenialNews {
    if (this.#context.ring === undefined)
      throw new ManagerError('UNSUPPORTED', 'the pipeline of this target does not tell what policies deny');
    if (ManagerError.is(this.#failure?.error)) throw this.#failure.error;
    return { denials: [...this.#recent.values()], untold: this.#untold };
  }

  /** Told what is denied from now on. */
  onNews(listener: (news: DenialNews) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Looks at what the device has denied. To be called every second. */
  async look(): Promise<void> {
    const { ring, read, logger } = this.#context;
    const target = read();
    if (this.#isLooking || ring === undefined || target === undefined) return;
    this.#isLooking = true;
    try {
      await this.#look(ring, target);
      this.#failure = undefined;
    } catch (thrown) {
      const error = refusedByTarget(thrown, 'the target does not tell what policies deny');
      const reason = messageOf(error);
      if (reason !== this.#failure?.reason) logger.warn({ reason }, 'denied packets cannot be read');
      this.#failure = { reason, error };
    } finally {
      this.#isLooking = false;
    }
  }

  async #look(ring: DenialRing, read: ReadEntities): Promise<void> {
    const counted = await countOf(ring, read);
    // What was denied before the first look is no news. A device that has counted less has begun anew.
    const last = this.#count ?? counted;
    this.#count = counted;
    const before = counted < last ? 0n : last;
    if (counted === before) return;
    const places = BigInt(ring.places);
    const from = before > counted - places ? before : counted - places;
    const numbers = Array.from({ length: Number(counted - from) }, (_, i) => from + BigInt(i));
    const packets = await packetsOf(
      ring,
      read,
      numbers.map((number) => Number(number % places)),
    );
    // The place that is being written is that of the packet to be counted next.
    const oldest = (await countOf(ring, read)) - places + 1n;
    const whole = packets.filter((_, i) => (numbers[i] ?? 0n) >= oldest);
    const untold = counted - before - BigInt(whole.length);
    this.#untold += untold;
    this.#listeners.emit({ denials: this.#note(whole), untold });
  }

  /** Remembers packets, and gives what they are, those of a kind together. */
  #note(packets: readonly DeniedPacket[]): readonly Denial[] {
    const { inForce, pods } = this.#context;
    const profiles = new Map(inForce().map((profile) => [profile.id, profile]));
    const names = new Map<IPv4, string>();
    for (const { pod } of pods()) names.set(pod.ip, `${pod.namespace}/${pod.name}`);
    const lastMs = BigInt(Date.now());
    const news = new Map<string, Denial>();
    for (const { profile, pod, peer, protocol, port } of packets) {
      const key = [profile, pod, peer, protocol, port].join();
      const same = news.get(key);
      if (same !== undefined) {
        same.packets++;
        continue;
      }
      const { direction = '', policies = [] } = profiles.get(profile) ?? {};
      news.set(key, {
        direction,
        pod: names.get(pod) ?? '',
        podAddress: formatIPv4(pod),
        peerAddress: formatIPv4(peer),
        peerPod: names.get(peer) ?? '',
        protocol,
        port,
        policies: [...policies].sort(),
        packets: 1n,
        lastMs,
      });
    }
    for (const [key, denial] of news) {
      const packets = denial.packets + (this.#recent.get(key)?.packets ?? 0n);
      this.#recent.delete(key);
      this.#recent.set(key, { ...denial, packets });
    }
    for (const key of this.#recent.keys()) {
      if (this.#recent.size <= REMEMBERED) break;
      this.#recent.delete(key);
    }
    return [...news.values()];
  }
}

async function countOf(ring: DenialRing, read: ReadEntities): Promise<bigint> {
  for await (const entity of read([ring.count])) return ring.countOf(entity);
  return 0n;
}

async function packetsOf(
  ring: DenialRing,
  read: ReadEntities,
  places: readonly number[],
): Promise<readonly DeniedPacket[]> {
  const asked = places.map((place) => ring.cells(place));
  const answers: Entity[] = [];
  for await (const entity of read(asked.flat())) answers.push(entity);
  const packets: DeniedPacket[] = [];
  let next = 0;
  for (const { length } of asked) {
    const packet = ring.decode(answers.slice(next, next + length));
    next += length;
    if (packet !== undefined) packets.push(packet);
  }
  return packets;
}
