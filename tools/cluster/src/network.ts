import { NetworkNamespace, run } from '@infra-offload/testbed';

const SUBNET = '172.31.250';
const PREFIX = 24;

/** The network that connects the nodes, and a machine on it that belongs to no cluster. */
export class ClusterNetwork {
  #nodes = 0;

  private constructor(
    readonly name: string,
    /** The machine beside the cluster: the nodes' default gateway, and a client from outside. */
    readonly outside: NetworkNamespace,
  ) {}

  static async create(name: string): Promise<ClusterNetwork> {
    const outside = await NetworkNamespace.create(`${name}-outside`);
    const network = new ClusterNetwork(name, outside);
    try {
      await outside.must('ip', ['link', 'add', 'lan', 'type', 'bridge']);
      await outside.must('ip', ['address', 'add', `${network.gateway}/${PREFIX}`, 'dev', 'lan']);
      await outside.must('ip', ['link', 'set', 'lan', 'up']);
      return network;
    } catch (error) {
      await outside.remove();
      throw error;
    }
  }

  get gateway(): string {
    return `${SUBNET}.1`;
  }

  /** Connects a namespace, as eth0 with an address of its own; gives that. */
  async connect(node: NetworkNamespace): Promise<string> {
    const number = ++this.#nodes;
    const address = `${SUBNET}.${number + 1}`;
    const peer = ['peer', 'name', 'eth0', 'netns', node.name];
    await this.outside.must('ip', ['link', 'add', `node${number}`, 'type', 'veth', ...peer]);
    await this.outside.must('ip', ['link', 'set', `node${number}`, 'master', 'lan', 'up']);
    await node.must('ip', ['address', 'add', `${address}/${PREFIX}`, 'dev', 'eth0']);
    await node.must('ip', ['link', 'set', 'eth0', 'up']);
    await node.must('ip', ['route', 'add', 'default', 'via', this.gateway]);
    return address;
  }

  async remove(): Promise<void> {
    await run('ip', ['netns', 'del', this.outside.name]);
  }
}
