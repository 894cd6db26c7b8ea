import { isIPv4 } from 'node:net';
import { MultiMap } from '@infra-offload/base';
import type { EndpointSlice, Protocol, Service, SliceEndpoint } from '@infra-offload/k8s-watch';
import type { SrvAnswer, StringAnswer, TxtAnswer } from 'dns-packet';

/** Of the specification that the zone follows. */
const VERSION = '1.1.0';
const TTL_SECONDS = 5;
const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

export type ZoneRecord = StringAnswer | SrvAnswer | TxtAnswer;

/**
 * What a cluster's DNS knows: names in lower case, each with its records. A name without records is there, too, if others are below it
 * (RFC 8020).
 */
export type Zone = ReadonlyMap<string, readonly ZoneRecord[]>;

/**
 * The records of all services, as Kubernetes' specification of DNS-based service discovery (version 1.1.0) wants them.
 *
 * @param domain of the cluster, such as `cluster.local`
 */
export function zoneOf(domain: string, services: Iterable<Service>, slices: Iterable<EndpointSlice>): Zone {
  const zone = new ZoneBuilder();
  zone.add({ type: 'TXT', name: `dns-version.${domain}`, data: VERSION, ttl: TTL_SECONDS });
  const slicesOf = new MultiMap<string, EndpointSlice>();
  for (const slice of slices) slicesOf.add(`${slice.namespace}/${slice.labels[SERVICE_NAME_LABEL]}`, slice);
  for (const service of services) {
    const name = `${service.name}.${service.namespace}.svc.${domain}`;
    if (service.externalName !== undefined) {
      zone.add({
        type: 'CNAME',
        name,
        data: service.externalName.replace(/\.$/, ''),
        ttl: TTL_SECONDS,
      });
    } else if (service.clusterIPs[0] === 'None') {
      addHeadless(zone, name, slicesOf.get(`${service.namespace}/${service.name}`));
    } else {
      for (const address of service.clusterIPs) zone.addHost(name, address);
      for (const port of service.ports) zone.addPort(name, port, name);
    }
  }
  return zone.records;
}

function addHeadless(zone: ZoneBuilder, name: string, slices: Iterable<EndpointSlice>): void {
  for (const { addressType, endpoints, ports } of slices) {
    if (addressType === 'FQDN') continue;
    for (const endpoint of endpoints) {
      if (!endpoint.ready) continue;
      const own = `${labelOf(endpoint)}.${name}`;
      zone.addAddress(name, endpoint.address);
      zone.addHost(own, endpoint.address);
      for (const port of ports) zone.addPort(name, port, own);
    }
  }
}

/** Unique below its service: the host name, or else the address. */
function labelOf({ hostname, address }: SliceEndpoint): string {
  return hostname ?? address.replace(/[.:]/g, '-');
}

/** `10-244-0-3.default.pod.cluster.local` has that address, whether or not there is such a pod. */
export function podAddress(domain: string, name: string): string | undefined {
  const [label = '', , ...rest] = name.split('.');
  const address = label.replaceAll('-', '.');
  return rest.join('.') === `pod.${domain}` && isIPv4(address) ? address : undefined;
}

class ZoneBuilder {
  readonly records = new Map<string, ZoneRecord[]>();

  add(record: ZoneRecord): void {
    const name = record.name.toLowerCase();
    this.#recordsOf(name).push(record);
    // Whatever is above is there, too.
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1))
      this.#recordsOf(name.slice(dot + 1));
  }

  addAddress(name: string, address: string): void {
    this.add({ type: isIPv4(address) ? 'A' : 'AAAA', name, data: address, ttl: TTL_SECONDS });
  }

  /** With the way back from the address. */
  addHost(name: string, address: string): void {
    this.addAddress(name, address);
    if (isIPv4(address)) this.add({ type: 'PTR', name: reverseName(address), data: name, ttl: TTL_SECONDS });
  }

  /** Ports without a name have no record. */
  addPort(
    service: string,
    { name, protocol, port }: { readonly name: string; readonly protocol: Protocol; readonly port: number },
    target: string,
  ): void {
    if (name === '') return;
    this.add({
      type: 'SRV',
      name: `_${name}._${protocol.toLowerCase()}.${service}`,
      data: { priority: 0, weight: 100, port, target },
      ttl: TTL_SECONDS,
    });
  }

  #recordsOf(name: string): ZoneRecord[] {
    const records = this.records.get(name) ?? [];
    this.records.set(name, records);
    return records;
  }
}

/** The name whose PTR record tells whose an IPv4 address is. */
export function reverseName(address: string): string {
  return `${address.split('.').reverse().join('.')}.in-addr.arpa`;
}
