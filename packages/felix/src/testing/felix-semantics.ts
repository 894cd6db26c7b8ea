import { isIPv4 } from 'node:net';
import type { felix } from '@infra-offload/infra-api';
import type { FelixMessage, Policy, PolicyId, WorkloadEndpoint } from '../messages.js';
import type { Packet } from './packet.js';

type Direction = 'ingress' | 'egress';
type Verdict = 'allow' | 'deny' | 'pass' | undefined;

/**
 * What Felix's own data plane does, written down as directly as possible, to compare the model with. It shares no code with
 * the model. Names of protocols and members are those that Felix writes.
 */
export class FelixSemantics {
  readonly sets = new Map<string, Set<string>>();
  readonly policies = new Map<string, Policy>();
  readonly profiles = new Map<string, Policy>();
  readonly endpoints = new Map<string, WorkloadEndpoint>();

  apply(message: FelixMessage): void {
    switch (message.type) {
      case 'ipSetUpdate':
        this.sets.set(message.id, new Set(message.members));
        break;
      case 'ipSetDelta': {
        const set = this.sets.get(message.id);
        for (const member of message.removed) set?.delete(member);
        for (const member of message.added) set?.add(member);
        break;
      }
      case 'ipSetRemove':
        this.sets.delete(message.id);
        break;
      case 'policyUpdate':
        this.policies.set(JSON.stringify(message.id), message.policy);
        break;
      case 'policyRemove':
        this.policies.delete(JSON.stringify(message.id));
        break;
      case 'profileUpdate':
        this.profiles.set(message.name, message.policy);
        break;
      case 'profileRemove':
        this.profiles.delete(message.name);
        break;
      case 'workloadEndpointUpdate':
        this.endpoints.set(message.id.workload, message.endpoint);
        break;
      case 'workloadEndpointRemove':
        this.endpoints.delete(message.id.workload);
        break;
      default:
        break;
    }
  }

  /** Whether a packet passes a pod's policies in one direction; undefined if the pod is not known. */
  allows(workload: string, direction: Direction, packet: Packet): boolean | undefined {
    const endpoint = this.endpoints.get(workload);
    if (endpoint === undefined) return undefined;
    if (endpoint.state !== 'active') return false;
    for (const tier of endpoint.tiers) {
      const active = tier[direction].filter((id) => !isStaged(id));
      if (active.length === 0) continue;
      let verdict: Verdict;
      for (const id of active) {
        const policy = this.policies.get(JSON.stringify(id));
        // A policy that is not there has no rules to match; Felix never refers to one.
        verdict ??= policy === undefined ? 'deny' : this.#evaluate(policy, direction, packet);
      }
      if (verdict === 'allow') return true;
      if (verdict === 'deny') return false;
      if (verdict === undefined && tier.defaultAction !== 'Pass') return false;
    }
    for (const name of endpoint.profiles) {
      const profile = this.profiles.get(name);
      const verdict = profile === undefined ? 'deny' : this.#evaluate(profile, direction, packet);
      if (verdict === 'allow') return true;
      if (verdict === 'deny') return false;
    }
    return false;
  }

  #evaluate(policy: Policy, direction: Direction, packet: Packet): Verdict {
    for (const { rule } of direction === 'ingress' ? policy.inbound : policy.outbound) {
      if (rule.action === 'log' || !this.#matches(rule, packet)) continue;
      if (rule.action === '' || rule.action === 'allow') return 'allow';
      return rule.action === 'pass' || rule.action === 'next-tier' ? 'pass' : 'deny';
    }
    return undefined;
  }

  #matches(rule: felix.Rule, packet: Packet): boolean {
    const { source, destination, protocol, ports, icmp } = packet;
    const inPort = (address: number, port: number | undefined) => (id: string) =>
      port !== undefined &&
      ['tcp', 'udp', 'sctp'].some(
        (name) =>
          protocolNumber(name) === protocol &&
          (this.sets.get(id)?.has(`${textOf(address)},${name}:${port}`) ?? false),
      );
    const inSet = (address: number) => (id: string) =>
      [...(this.sets.get(id) ?? [])].some((member) => !member.includes(',') && inNet(address)(member));
    const inRange = (port: number | undefined) => (range: felix.PortRange) =>
      port !== undefined && port >= range.first && port <= range.last;
    const is = (wanted: felix.Protocol) => protocolNumber(String(wanted.numberOrName?.value)) === protocol;

    if (rule.ipVersion === 6) return false;
    if (rule.protocol !== undefined && !is(rule.protocol)) return false;
    if (rule.notProtocol !== undefined && is(rule.notProtocol)) return false;
    const sides = [
      {
        address: source,
        port: ports?.source,
        nets: rule.srcNet,
        notNets: rule.notSrcNet,
        sets: rule.srcIpSetIds,
        notSets: rule.notSrcIpSetIds,
        ranges: rule.srcPorts,
        notRanges: rule.notSrcPorts,
        named: rule.srcNamedPortIpSetIds,
        notNamed: rule.notSrcNamedPortIpSetIds,
        portSets: [],
      },
      {
        address: destination,
        port: ports?.destination,
        nets: rule.dstNet,
        notNets: rule.notDstNet,
        sets: rule.dstIpSetIds,
        notSets: rule.notDstIpSetIds,
        ranges: rule.dstPorts,
        notRanges: rule.notDstPorts,
        named: rule.dstNamedPortIpSetIds,
        notNamed: rule.notDstNamedPortIpSetIds,
        portSets: rule.dstIpPortSetIds,
      },
    ];
    for (const side of sides) {
      const { address, port } = side;
      if (side.nets.length > 0 && !side.nets.some(inNet(address))) return false;
      if (side.notNets.some(inNet(address))) return false;
      if (!side.sets.every(inSet(address))) return false;
      if (side.notSets.some(inSet(address))) return false;
      const hasPorts = side.ranges.length + side.named.length > 0;
      if (hasPorts && !side.ranges.some(inRange(port)) && !side.named.some(inPort(address, port)))
        return false;
      if (side.notRanges.some(inRange(port))) return false;
      if (side.notNamed.some(inPort(address, port))) return false;
      if (!side.portSets.every(inPort(address, port))) return false;
    }
    const icmpIs = (wanted: felix.Rule['icmp'] | felix.Rule['notIcmp']): boolean => {
      if (wanted === undefined || icmp === undefined) return false;
      if (typeof wanted.value === 'number') return icmp.type === wanted.value;
      return icmp.type === wanted.value.type && icmp.code === wanted.value.code;
    };
    if (rule.icmp !== undefined && !icmpIs(rule.icmp)) return false;
    return rule.notIcmp === undefined || !icmpIs(rule.notIcmp);
  }
}

function isStaged({ name, kind }: PolicyId): boolean {
  return kind.startsWith('Staged') || name.split('/').at(-1)?.startsWith('staged:') === true;
}

function protocolNumber(text: string): number {
  const names = ['icmp=1', 'tcp=6', 'udp=17', 'sctp=132'];
  return Number(names.find((entry) => entry.startsWith(`${text}=`))?.split('=')[1] ?? text);
}

function textOf(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

function bitsOf(address: string): string {
  return address
    .split('.')
    .map((octet) => Number(octet).toString(2).padStart(8, '0'))
    .join('');
}

function inNet(address: number): (net: string) => boolean {
  return (net) => {
    const [host = '', length = '32'] = net.split('/');
    return isIPv4(host) && bitsOf(textOf(address)).startsWith(bitsOf(host).slice(0, Number(length)));
  };
}
