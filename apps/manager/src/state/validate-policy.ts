import { isIPv6 } from 'node:net';
import {
  type AddressMatch,
  type AddressSet,
  type Isolation,
  type NetworkPolicy,
  type PodIsolation,
  type PortMatch,
  PolicyAction as WireAction,
  type PolicyRule as WireRule,
} from '@infra-offload/infra-api';
import { type IPv4, type IPv4Prefix, ipv4, parseIPv4, parseIPv4Prefix } from '@infra-offload/net';
import type { AddressPort, PolicyAction } from '@infra-offload/policy-compiler';
import type {
  AddressSetObject,
  IsolationObject,
  PolicyObject,
  PolicyPort,
  PolicyRule,
  PolicyTier,
} from '../model/policy-objects.js';
import { Checker, isIPv6Cidr, readConditions } from './checker.js';

const ACTIONS: Partial<Record<WireAction, PolicyAction>> = {
  [WireAction.POLICY_ACTION_ALLOW]: 'allow',
  [WireAction.POLICY_ACTION_DENY]: 'deny',
  [WireAction.POLICY_ACTION_PASS]: 'pass',
};
const MAX_PROTOCOL = 255;
const MAX_PORT = 65_535;

/** @throws ManagerError INVALID_OBJECT naming object, field and value. */
export function readSet(wire: AddressSet): AddressSetObject {
  const check: Checker = new Checker(`set/${wire.name}`);
  check.freeName('name', wire.name);
  const addresses: IPv4[] = [];
  const cidrs: IPv4Prefix[] = [];
  wire.cidrs.forEach((text, i) => {
    const range = readRange(check, () => `cidrs[${i}]`, text);
    if (range?.length === 32) addresses.push(range.address);
    else if (range !== undefined) cidrs.push(range);
  });
  return {
    kind: 'set',
    name: wire.name,
    addresses: sortedAddresses(addresses),
    cidrs: sortedCidrs(cidrs),
    addressPorts: sortedPorts(
      wire.addressPorts.flatMap(({ address, protocol, port }, i): AddressPort[] => {
        const at = `address_ports[${i}]`;
        readProtocol(check, `${at}.protocol`, protocol);
        check.port(`${at}.port`, port);
        if (isIPv6(address)) return [];
        const ip = parseIPv4(address);
        if (ip === undefined) check.fail(`${at}.address`, address, 'an IPv4 address such as "10.244.1.7"');
        return [{ address: ip, protocol, port }];
      }),
    ),
  };
}

/** @throws ManagerError INVALID_OBJECT naming object, field and value. */
export function readPolicy(wire: NetworkPolicy): PolicyObject {
  const check: Checker = new Checker(`policy/${wire.name}`);
  return {
    kind: 'policy',
    name: check.freeName('name', wire.name),
    ingress: wire.ingress.map((rule, i) => readRule(check, `ingress[${i}]`, rule)),
    egress: wire.egress.map((rule, i) => readRule(check, `egress[${i}]`, rule)),
    agentConditions: readConditions(check, wire.conditions),
  };
}

/** @throws ManagerError INVALID_OBJECT naming object, field and value. */
export function readIsolation(wire: PodIsolation): IsolationObject {
  const check: Checker = new Checker(`isolation/${wire.namespace}/${wire.name}`);
  return {
    kind: 'isolation',
    namespace: check.name('namespace', wire.namespace),
    name: check.name('name', wire.name),
    ingress: readTiers(check, 'ingress', wire.ingress),
    egress: readTiers(check, 'egress', wire.egress),
    agentConditions: readConditions(check, wire.conditions),
  };
}

function readTiers(
  check: Checker,
  direction: string,
  isolation: Isolation | undefined,
): readonly PolicyTier[] | undefined {
  return isolation?.tiers.map(({ policies, defaultAction }, i) => {
    const at = `${direction}.tiers[${i}]`;
    policies.forEach((name, k) => {
      check.freeName(`${at}.policies[${k}]`, name);
    });
    const action = ACTIONS[defaultAction];
    if (action !== 'deny' && action !== 'pass')
      check.fail(`${at}.default_action`, String(defaultAction), 'DENY (2) or PASS (3)');
    return { policies, defaultAction: action };
  });
}

function readRule(check: Checker, at: string, wire: WireRule): PolicyRule {
  const action = ACTIONS[wire.action];
  if (action === undefined)
    check.fail(`${at}.action`, String(wire.action), 'ALLOW (1), DENY (2) or PASS (3)');
  return {
    action,
    peers: wire.peers.map((peer, i) => readPeer(check, `${at}.peers[${i}]`, peer)),
    ports: wire.ports.map((port, i) => readPort(check, `${at}.ports[${i}]`, port)),
    notPorts: wire.notPorts.map((port, i) => readPort(check, `${at}.not_ports[${i}]`, port)),
  };
}

function readPeer(check: Checker, at: string, { negated, cidrs, addressSets }: AddressMatch) {
  addressSets.forEach((name, i) => {
    check.freeName(`${at}.address_sets[${i}]`, name);
  });
  // Ranges of IPv6 contain no address that the pipeline meets, negated or not.
  const ranges = cidrs.flatMap((text, i) => readRange(check, () => `${at}.cidrs[${i}]`, text) ?? []);
  return { negated, cidrs: sortedCidrs(ranges), sets: addressSets };
}

function readPort(check: Checker, at: string, { match }: PortMatch): PolicyPort {
  if (match === undefined) check.fail(at, 'empty', 'a range or an address_port_set');
  if (match.$case === 'addressPortSet') {
    return { kind: 'set', set: check.freeName(`${at}.address_port_set`, match.value) };
  }
  const { protocol, first, last } = match.value;
  if (protocol !== undefined) readProtocol(check, `${at}.range.protocol`, protocol);
  if (first === undefined && last === undefined) return { kind: 'range', protocol, ports: undefined };
  if (protocol === undefined)
    check.fail(`${at}.range.protocol`, 'absent', 'a protocol, since the range names ports');
  if (first === undefined || last === undefined)
    check.fail(
      `${at}.range`,
      `${first ?? 'absent'} to ${last ?? 'absent'}`,
      'both first and last, or neither',
    );
  if (first > last || last > MAX_PORT)
    check.fail(`${at}.range`, `${first} to ${last}`, `first <= last, 0 to ${MAX_PORT}`);
  return { kind: 'range', protocol, ports: { first, last } };
}

function readProtocol(check: Checker, field: string, protocol: number): void {
  if (protocol > MAX_PROTOCOL)
    check.fail(field, String(protocol), `an IANA protocol number, 0 to ${MAX_PROTOCOL}`);
}

/** undefined for IPv6. */
function readRange(check: Checker, field: () => string, text: string): IPv4Prefix | undefined {
  const range = parseIPv4Prefix(text);
  if (range !== undefined) return range;
  if (isIPv6(text) || isIPv6Cidr(text)) return undefined;
  check.fail(field(), text, 'an address or a range such as "10.244.1.7" or "10.0.0.0/8"');
}

function sortedAddresses(addresses: IPv4[]): readonly IPv4[] {
  // Most arrive in order; a typed array sorts the others without a comparison function.
  let ascending = true;
  for (let i = 1; ascending && i < addresses.length; i++)
    ascending = (addresses[i - 1] ?? 0) < (addresses[i] ?? 0);
  if (ascending) return addresses;
  return [...Uint32Array.from(addresses).sort()]
    .filter((address, i, all) => address !== all[i - 1])
    .map(ipv4);
}

function sortedCidrs(cidrs: IPv4Prefix[]): readonly IPv4Prefix[] {
  return cidrs
    .sort((a, b) => a.address - b.address || a.length - b.length)
    .filter(
      ({ address, length }, i, all) => address !== all[i - 1]?.address || length !== all[i - 1]?.length,
    );
}

function sortedPorts(ports: AddressPort[]): readonly AddressPort[] {
  return ports
    .sort((a, b) => a.address - b.address || a.protocol - b.protocol || a.port - b.port)
    .filter((one, i, all) => {
      const before = all[i - 1];
      return (
        before === undefined ||
        before.address !== one.address ||
        before.protocol !== one.protocol ||
        before.port !== one.port
      );
    });
}
