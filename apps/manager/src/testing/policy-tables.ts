import { type IPv4, ipv4 } from '@infra-offload/net';
import type { Entity } from '@infra-offload/p4rt/proto';
import { k8sDp } from '@infra-offload/p4src';
import type { PolicyPacket } from '@infra-offload/policy-compiler';

const { policy_cidr: cidrs, policy_peer: peers, policy_port: ports } = k8sDp.tables;

/** The tables of one policy, looked up entry by entry as the pipeline does: the reference for what entries mean. */
export class PolicyTables {
  readonly #peers = new Map<number, bigint>();
  readonly #cidrs: { readonly address: IPv4; readonly length: number; readonly mask: bigint }[] = [];
  readonly #ports: PortEntry[] = [];

  /** Entries of other tables are passed over, and so are those of other policies. */
  constructor(entities: Iterable<Entity>, id: number) {
    for (const entity of entities) {
      if (entity.entity?.$case !== 'tableEntry') continue;
      switch (entity.entity.value.tableId) {
        case peers.id: {
          const { match, action } = peers.decode(entity);
          if (match.policy_id !== id || action?.name !== 'set_peer_classes') break;
          if (this.#peers.has(match.peer_ip)) throw new Error(`two entries for peer ${match.peer_ip}`);
          this.#peers.set(match.peer_ip, action.params.mask);
          break;
        }
        case cidrs.id: {
          const { match, action } = cidrs.decode(entity);
          if (match.policy_id !== id || action?.name !== 'add_cidr_classes') break;
          const { value, prefixLength: length } = match.peer_ip ?? { value: 0, prefixLength: 0 };
          this.#cidrs.push({ address: ipv4(value), length, mask: action.params.mask });
          break;
        }
        case ports.id: {
          const { match, action, priority } = ports.decode(entity);
          if (match.policy_id !== id || action?.name !== 'set_port_classes') break;
          const { protocol = ANY, dst_port: port = ANY } = match;
          this.#ports.push({ protocol, port, priority: priority ?? 0, mask: action.params.mask });
          break;
        }
      }
    }
    this.#cidrs.sort((a, b) => b.length - a.length);
    this.#ports.sort((a, b) => b.priority - a.priority);
  }

  /** Whether the pipeline lets the packet pass. */
  allows({ peer, protocol, port }: PolicyPacket): boolean {
    const exact = this.#peers.get(peer) ?? 0n;
    const range = this.#cidrs.find(({ address, length }) => sharesPrefix(address, peer, length));
    const asked = this.#ports.filter(
      (entry) => agrees(entry.protocol, protocol) && agrees(entry.port, port ?? 0),
    );
    const [best, second] = asked;
    if (best !== undefined && best.priority === second?.priority)
      throw new Error('two entries of one priority');
    return ((exact | (range?.mask ?? 0n)) & (best?.mask ?? 0n)) !== 0n;
  }
}

interface Ternary {
  readonly value: number;
  readonly mask: number;
}

interface PortEntry {
  readonly protocol: Ternary;
  readonly port: Ternary;
  readonly priority: number;
  readonly mask: bigint;
}

const ANY: Ternary = { value: 0, mask: 0 };

function agrees({ value, mask }: Ternary, asked: number): boolean {
  return (asked & mask) === value;
}

function sharesPrefix(a: number, b: number, length: number): boolean {
  return length === 0 || a >>> (32 - length) === b >>> (32 - length);
}
