/** The node whose data plane is looked at. */
export const NODE = { name: 'here', address: '172.31.255.1' } as const;
/** Addresses of no pod. */
export const OUTSIDERS = [
  '10.0.1.200',
  '10.9.9.9',
  '192.168.1.5',
  '172.31.255.2',
  '0.0.0.0',
  '255.255.255.255',
];

export type Change =
  | { readonly type: 'set'; readonly object: object }
  | {
      readonly type: 'delete';
      readonly kind: 'NetworkPolicy' | 'Pod' | 'Namespace';
      readonly namespace: string;
      readonly name: string;
    };

const NAMESPACES = ['x', 'y', 'z'] as const;
const NAMES = ['a', 'b', 'c', 'd'] as const;
const PORTS = [53, 80, 81, 443, 1024, 8080, 9090];
const PROTOCOLS = ['TCP', 'UDP', 'SCTP'];
const PORT_NAMES = ['http', 'dns', 'sig'];

/** Small clusters with few labels, addresses and ports, so that everything meets everything. One seed, one cluster. */
export class RandomCluster {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed >>> 0;
  }

  /** What is there at first. */
  begin(): readonly Change[] {
    const policies = Array.from({ length: 1 + this.#below(6) }, () => this.#policy());
    const pods = NAMESPACES.flatMap((namespace) => NAMES.map((name) => this.#pod(namespace, name)));
    const namespaces = NAMESPACES.map((name) => this.#namespace(name));
    // In any order: an agent learns of them in any.
    return this.#shuffled([...policies, ...pods, ...namespaces].map((object) => ({ type: 'set', object })));
  }

  /** What happens next. */
  next(): Change {
    const namespace = this.pick(NAMESPACES);
    switch (this.#below(8)) {
      case 0:
        return { type: 'delete', kind: 'NetworkPolicy', namespace, name: `policy-${this.#below(4)}` };
      case 1:
        return { type: 'delete', kind: 'Pod', namespace, name: this.pick(NAMES) };
      case 2:
        return { type: 'set', object: this.#namespace(namespace) };
      case 3:
      case 4:
        return { type: 'set', object: this.#policy() };
      default:
        return { type: 'set', object: this.#pod(namespace, this.pick(NAMES)) };
    }
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.#below(items.length)];
    if (item === undefined && items.length === 0) throw new Error('nothing to pick from');
    return item as T;
  }

  #pod(namespace: (typeof NAMESPACES)[number], name: (typeof NAMES)[number]): object {
    // Every pod has an address of its own.
    const address = `10.0.${NAMESPACES.indexOf(namespace)}.${1 + 3 * NAMES.indexOf(name)}`;
    const ports = PORT_NAMES.filter(() => this.#chance(0.5)).map((portName) => ({
      name: portName,
      protocol: this.pick(PROTOCOLS),
      containerPort: this.pick(PORTS),
    }));
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace, name, labels: this.#labels() },
      spec: {
        nodeName: this.pick([NODE.name, NODE.name, 'there']),
        hostNetwork: this.#chance(0.05),
        containers: [{ name: 'main', ports }],
      },
      status: {
        phase: this.#chance(0.05) ? 'Failed' : 'Running',
        podIPs: this.#chance(0.95) ? [{ ip: address }] : [],
      },
    };
  }

  #namespace(name: string): object {
    return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: this.#labels() } };
  }

  #policy(): object {
    const directions = ['Ingress', 'Egress'].filter(() => this.#chance(0.6));
    return {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { namespace: this.pick(NAMESPACES), name: `policy-${this.#below(4)}` },
      spec: {
        podSelector: this.#chance(0.4) ? {} : this.#selector(),
        ...(this.#chance(0.7) ? { policyTypes: directions } : {}),
        ...(this.#chance(0.8) ? { ingress: this.#rules('from') } : {}),
        ...(this.#chance(0.7) ? { egress: this.#rules('to') } : {}),
      },
    };
  }

  #rules(side: 'from' | 'to'): readonly object[] {
    return Array.from({ length: this.#below(4) }, () => ({
      ...(this.#chance(0.75) ? { [side]: Array.from({ length: this.#below(4) }, () => this.#peer()) } : {}),
      ...(this.#chance(0.65) ? { ports: Array.from({ length: this.#below(4) }, () => this.#port()) } : {}),
    }));
  }

  #peer(): object {
    switch (this.#below(5)) {
      case 0:
        return { podSelector: this.#selector() };
      case 1:
        return { namespaceSelector: this.#namespaceSelector() };
      case 2:
        return { podSelector: this.#selector(), namespaceSelector: this.#namespaceSelector() };
      default:
        return { ipBlock: this.#block() };
    }
  }

  #block(): object {
    const base = 0x0a00_0000 + this.#below(3) * 256 + this.#below(16);
    const length = this.pick([0, 8, 16, 22, 24, 26, 28, 29, 30, 31, 32]);
    const cidr = this.#cidr(base, length);
    const first = length === 0 ? 0 : (base & (-1 << (32 - length))) >>> 0;
    const inside = () => {
      const deeper = Math.min(32, Math.max(length + 1, 24 + this.#below(9)));
      const span = Math.min(2 ** (32 - length), 1024);
      return this.#cidr(length < 22 ? base : first + this.#below(span), deeper);
    };
    const except = length === 32 ? [] : Array.from({ length: this.#below(3) }, inside);
    return { cidr, except };
  }

  #port(): object {
    const protocol = this.pick(PROTOCOLS);
    switch (this.#below(6)) {
      case 0:
        return { protocol };
      case 1:
        return { protocol, port: this.pick(PORT_NAMES) };
      case 2: {
        const port = this.pick(PORTS);
        return {
          protocol,
          port,
          endPort: Math.min(65_535, port + this.pick([0, 1, 2, 1000, 32_768, 65_535])),
        };
      }
      case 3:
        return { port: this.pick(PORTS) };
      default:
        return { protocol, port: this.pick(PORTS) };
    }
  }

  #labels(): object {
    return {
      ...(this.#chance(0.8) ? { app: this.pick(['1', '2', '3']) } : {}),
      ...(this.#chance(0.6) ? { tier: this.pick(['1', '2', '']) } : {}),
    };
  }

  #selector(): object {
    const key = this.pick(['app', 'tier']);
    const values = ['1', '2', '3', ''].filter(() => this.#chance(0.5));
    switch (this.#below(6)) {
      case 0:
        return {};
      case 1:
        return { matchExpressions: [{ key, operator: this.pick(['Exists', 'DoesNotExist']) }] };
      case 2:
        return {
          matchExpressions: [
            { key, operator: this.pick(['In', 'NotIn']), values: values.length === 0 ? ['1'] : values },
          ],
        };
      default:
        return { matchLabels: { [key]: this.pick(['1', '2', '']) } };
    }
  }

  #namespaceSelector(): object {
    if (this.#chance(0.6)) return this.#selector();
    return { matchLabels: { 'kubernetes.io/metadata.name': this.pick(NAMESPACES) } };
  }

  #cidr(address: number, length: number): string {
    const first = length === 0 ? 0 : (address & (-1 << (32 - length))) >>> 0;
    return `${[24, 16, 8, 0].map((shift) => (first >>> shift) & 255).join('.')}/${length}`;
  }

  #shuffled<T>(items: readonly T[]): readonly T[] {
    const left = [...items];
    return items.flatMap(() => left.splice(this.#below(left.length), 1));
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  /** Mulberry32: short, and the same everywhere. */
  #random(): number {
    this.#state = (this.#state + 0x6d2b_79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}
