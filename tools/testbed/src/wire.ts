import { randomBytes } from 'node:crypto';
import { NetworkNamespace } from './netns.js';
import { must } from './shell.js';

const BRIDGE = 'wire';

/** A link layer network that nodes share: a bridge in a namespace of its own. */
export class Wire {
  readonly #id: string;
  readonly #namespace: NetworkNamespace;
  #ports = 0;

  private constructor(id: string, namespace: NetworkNamespace) {
    this.#id = id;
    this.#namespace = namespace;
  }

  /** Whoever calls this calls `remove` in the end. */
  static async create(): Promise<Wire> {
    const id = randomBytes(3).toString('hex');
    const namespace = await NetworkNamespace.create(`iof-${id}-wire`);
    await namespace.must('ip', ['link', 'add', BRIDGE, 'type', 'bridge']);
    await namespace.must('ip', ['link', 'set', BRIDGE, 'up']);
    return new Wire(id, namespace);
  }

  /** Gives the kernel of a node an interface `eth0` on the wire, with an address such as 192.0.2.1/24. */
  async connect(node: NetworkNamespace, address: string): Promise<void> {
    const port = `p${++this.#ports}`;
    const far = `${this.#id}-${port}`;
    await this.#namespace.must('ip', ['link', 'add', port, 'type', 'veth', 'peer', 'name', far]);
    await this.#namespace.must('ip', ['link', 'set', port, 'master', BRIDGE, 'up']);
    await this.#namespace.must('ip', ['link', 'set', far, 'netns', node.name, 'name', 'eth0']);
    await node.must('ip', ['address', 'add', address, 'dev', 'eth0']);
    await node.must('ip', ['link', 'set', 'eth0', 'up']);
  }

  /** Puts a TAP of a node's data plane on the wire. As a network card does, it takes only broadcasts and what is for `mac`. */
  async plug(node: NetworkNamespace, tap: string, mac: string): Promise<void> {
    const port = `p${++this.#ports}`;
    await node.must('ip', ['link', 'set', tap, 'netns', this.#namespace.name, 'name', port]);
    await this.#namespace.must('ip', ['link', 'set', port, 'master', BRIDGE, 'up']);
    await this.#namespace.must('bridge', ['link', 'set', 'dev', port, 'flood', 'off', 'mcast_flood', 'off']);
    await this.#namespace.must('bridge', ['fdb', 'replace', mac, 'dev', port, 'master', 'static']);
  }

  async remove(): Promise<void> {
    await must('ip', ['netns', 'delete', this.#namespace.name]);
  }
}
