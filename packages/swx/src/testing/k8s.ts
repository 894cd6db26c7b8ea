import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseSpec } from '../parser/parse.js';
import { SwxPipeline } from '../pipeline.js';
import type { SwxSpec } from '../spec.js';
import { ip, mac } from './packets.js';

const FILE = fileURLToPath(new URL('../../../../p4src/dpdk/k8s_dp.spec', import.meta.url));

/** @param change of the text, for programs that differ a little. */
export function k8sSpec(change = (text: string): string => text): SwxSpec {
  return parseSpec(change(readFileSync(FILE, 'utf8')), { file: 'k8s_dp.spec' });
}

export interface Sent {
  readonly port: number;
  readonly packet: Uint8Array;
}

export interface Pod {
  readonly port: number;
  readonly ip: string;
  readonly mac: string;
}

export const GATEWAY_MAC = '02:aa:00:00:00:01';
export const HOST_PORT = 0;
export const UPLINK_PORT = 1;
const EPOCH_ASK_POLICY = 1;
const ENDPOINT_DRAINING = 1;

/** A node with our pipeline on it: pods on ports 2 and up, a clock to be set, and the packets that came out. */
export class Node {
  readonly sent: Sent[] = [];
  readonly pods: Pod[] = [];
  now = 1000;
  readonly pipeline: SwxPipeline;
  #base = 0;
  #epoch = 0;

  constructor(spec: SwxSpec = k8sSpec()) {
    this.pipeline = new SwxPipeline(spec, {
      now: () => this.now,
      onTransmit: (port, packet) => this.sent.push({ port, packet: packet.slice() }),
    });
    this.pipeline.tableSet('port_table', { key: [{ value: HOST_PORT }], action: 'set_host_port', args: [] });
    this.pipeline.tableSet('port_table', {
      key: [{ value: UPLINK_PORT }],
      action: 'set_uplink_port',
      args: [],
    });
    this.pipeline.tableSet('arp_table', {
      key: [{ value: ip('169.254.1.1') }],
      action: 'arp_reply',
      args: [mac(GATEWAY_MAC)],
    });
    this.raiseEpoch();
    for (let member = 1; member < 256; member++) {
      this.pipeline.tableSet('endpoint_selector', {
        key: [{ value: member }],
        action: 'select_endpoint',
        args: [member],
      });
    }
  }

  /** Has all flows checked with their next packets, as the control plane does after it has changed something. */
  raiseEpoch(flags = EPOCH_ASK_POLICY): void {
    const args = [++this.#epoch, flags];
    this.pipeline.tableSetDefault('flow_epoch', 'set_flow_epoch', args);
  }

  addPod(address: string, port = this.pods.length + 2): Pod {
    const since = this.#epoch + 1;
    const pod = { port, ip: address, mac: `02:00:00:00:00:${port.toString(16).padStart(2, '0')}` };
    this.pods.push(pod);
    this.pipeline.tableSet('port_table', {
      key: [{ value: port }],
      action: 'set_pod_port',
      args: [ip(address), since],
    });
    this.pipeline.tableSet('pod_forward', {
      key: [{ value: ip(address) }],
      action: 'forward',
      args: [port, mac(pod.mac), mac(GATEWAY_MAC), since],
    });
    this.raiseEpoch();
    return pod;
  }

  removePod({ port, ip: address }: Pod): void {
    this.pipeline.tableDelete('port_table', [{ value: port }]);
    this.pipeline.tableDelete('pod_forward', [{ value: ip(address) }]);
    this.raiseEpoch();
  }

  /** Puts a pod under a policy, which allows nothing without further entries. */
  isolate(direction: 'ingress' | 'egress', pod: Pod, policy: number): void {
    this.pipeline.tableSet(`policy_${direction}`, {
      key: [{ value: ip(pod.ip) }],
      action: `set_policy_${direction}`,
      args: [policy],
    });
    this.raiseEpoch();
  }

  /** A service with its endpoints; returns what changes them. */
  addService(options: {
    vip: string;
    port: number;
    protocol: 6 | 17 | 132;
    endpoints: readonly { ip: string; port: number }[];
    affinity?: boolean;
    /** There are endpoints, but none that this node may use. */
    isElsewhere?: boolean;
  }) {
    const number = ++this.#base;
    const base = number * 256;
    const { pipeline } = this;
    const setEndpoint = (i: number, flags: number): void => {
      const endpoint = options.endpoints[i];
      if (endpoint === undefined) throw new Error(`there is no endpoint ${i}`);
      pipeline.tableSet('endpoint', {
        key: [{ value: base + i + 1 }],
        action: 'set_endpoint',
        args: [ip(endpoint.ip), endpoint.port, flags],
      });
    };
    for (const i of options.endpoints.keys()) setEndpoint(i, 0);
    const setMembers = (members: readonly number[]): void =>
      pipeline.selectorSet(
        'endpoint_selector_sel',
        number,
        members.map((member) => ({ member, weight: 1 })),
      );
    setMembers(options.endpoints.map((_, i) => i + 1));
    pipeline.tableSet('endpoint_group', {
      key: [{ value: number }],
      action: 'endpoint_group_set_group_id',
      args: [number],
    });
    const flags =
      (options.affinity === true ? 1 : 0) |
      (options.endpoints.length === 0 ? 2 : 0) |
      (options.isElsewhere === true ? 4 : 0);
    const setFlags = (flags: number): void =>
      pipeline.tableSet('service', {
        key: [{ value: ip(options.vip) }, { value: options.protocol }, { value: options.port }],
        action: 'set_service',
        args: [number, base, number, flags, 0],
      });
    setFlags(flags);
    pipeline.tableSet('service_address', {
      key: [{ value: ip(options.vip) }],
      action: 'refuse_unused_ports',
      args: [],
    });
    return {
      setMembers,
      drain: (i: number): void => setEndpoint(i, ENDPOINT_DRAINING),
      /** There are no endpoints any more that take new flows. */
      close: (): void => {
        for (const i of options.endpoints.keys()) setEndpoint(i, ENDPOINT_DRAINING);
        setFlags(flags | 2);
        this.raiseEpoch();
      },
      removeEndpoint: (i: number): void => {
        pipeline.tableDelete('endpoint', [{ value: base + i + 1 }]);
        this.raiseEpoch();
      },
    };
  }

  /** Sends a packet in; returns what came out. */
  send(port: number, bytes: Uint8Array): Sent[] {
    this.sent.length = 0;
    this.pipeline.process(port, bytes);
    return [...this.sent];
  }

  /** Packets that went nowhere without an answer. */
  drops(reason: number): number {
    return Number(this.pipeline.registerRead('drop_counter_0', reason));
  }

  /** Packets that were answered instead. */
  rejects(reason: number): number {
    return Number(this.pipeline.registerRead('reject_counter_0', reason));
  }

  /** How packets to a range get on. */
  addRoute(address: string, length: number, action: 'unreachable' | 'blackhole'): void {
    const mask = 0x1_0000_0000 - 2 ** (32 - length);
    this.pipeline.tableSet('route_table', {
      key: [{ value: ip(address), mask }],
      priority: 32 - length,
      action,
      args: [],
    });
  }
}
