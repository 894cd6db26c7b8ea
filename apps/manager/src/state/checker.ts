import { isIPv6 } from 'node:net';
import type { Condition } from '@infra-offload/infra-api';
import {
  formatPrefix,
  type IPv4,
  type IPv4Prefix,
  isUnicastIPv4,
  isUnicastMac,
  type Mac,
  POD_GATEWAY,
  parseIPv4,
  parseIPv4Prefix,
  parseMac,
} from '@infra-offload/net';
import { ManagerError } from '../errors.js';
import type { AgentCondition } from '../model/agent-condition.js';
import { describeKey, type ObjectKey } from '../model/objects.js';

/** Longest part of a name: a Kubernetes DNS subdomain. */
export const MAX_NAME = 253;
/** Longest interface name that a target may use. */
const MAX_INTERFACE_NAME = 64;
/** Longest name that an agent may give to a set or a policy, in bytes. */
const MAX_FREE_NAME = 1024;

export function isIPv6Cidr(text: string): boolean {
  const [address = '', length = '', rest] = text.split('/');
  return rest === undefined && isIPv6(address) && /^\d{1,3}$/.test(length) && Number(length) <= 128;
}

/** What an agent could not carry of an object. */
export function readConditions(check: Checker, conditions: readonly Condition[]): readonly AgentCondition[] {
  return conditions.map(({ reason, message }, i) => {
    if (!/^[A-Za-z][A-Za-z0-9]{0,63}$/.test(reason))
      check.fail(`conditions[${i}].reason`, reason, 'one CamelCase word');
    return { reason, message };
  });
}

/** Checks the fields of one object; every failure names object, field, value and what was expected. */
export class Checker {
  readonly #object: ObjectKey;

  constructor(object: ObjectKey) {
    this.#object = object;
  }

  fail(field: string, value: string, expected: string): never {
    const object = shortened(describeKey(this.#object), MAX_NAME);
    throw new ManagerError(
      'INVALID_OBJECT',
      // The object's name is still what an agent has sent, whatever that is.
      `${JSON.stringify(object).slice(1, -1)}: ${field} is ${JSON.stringify(shortened(value, 80))}; expected ${expected}`,
      { details: { object: this.#object, field } },
    );
  }

  name(field: string, value: string): string {
    if (!/^[A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?$/.test(value) || value.length > MAX_NAME) {
      this.fail(field, value, `a Kubernetes name (letters, digits, "-", "."; up to ${MAX_NAME})`);
    }
    return value;
  }

  /** A name into which nothing is read. */
  freeName(field: string, value: string): string {
    if (value === '' || /\p{Cc}/u.test(value) || Buffer.byteLength(value) > MAX_FREE_NAME) {
      this.fail(field, value, `a name of 1 to ${MAX_FREE_NAME} bytes without control characters`);
    }
    return value;
  }

  interfaceName(field: string, value: string): string {
    if (!/^[^\s/[\]=]+$/.test(value) || value.length > MAX_INTERFACE_NAME) {
      this.fail(field, value, 'the name of an interface of the target, such as "P4TAP_3"');
    }
    return value;
  }

  mac(field: string, value: string): Mac {
    const mac = parseMac(value);
    if (mac === undefined || !isUnicastMac(mac))
      this.fail(field, value, 'a unicast MAC such as "02:00:00:00:00:01"');
    return mac;
  }

  ipv4(field: string, value: string): IPv4 {
    const ip = parseIPv4(value);
    if (ip === undefined || !isUnicastIPv4(ip)) {
      this.fail(field, value, 'a unicast IPv4 address without prefix length, such as "10.244.1.7"');
    }
    return ip;
  }

  podAddress(field: string, value: string): IPv4 {
    const ip = this.ipv4(field, value);
    if (ip === POD_GATEWAY) this.fail(field, value, `another address: ${value} is the gateway of all pods`);
    return ip;
  }

  /** undefined for IPv6. */
  ipv4OrIPv6(field: string, value: string): IPv4 | undefined {
    return isIPv6(value) ? undefined : this.ipv4(field, value);
  }

  cidr(field: string, value: string): IPv4Prefix {
    const prefix = parseIPv4Prefix(value);
    if (prefix === undefined || formatPrefix(prefix) !== value)
      this.fail(field, value, 'an IPv4 range without host bits, such as "10.96.0.0/12"');
    return prefix;
  }

  port(field: string, value: number): void {
    if (value < 1 || value > 65_535) this.fail(field, String(value), '1 to 65535');
  }
}

function shortened(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}
