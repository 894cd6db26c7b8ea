import { parseIPv4, parseIPv4Prefix, prefixContains } from '@infra-offload/net';
import { ROUTE_PROTOCOL } from '../interfaces/host-interface.js';
import { IpRoute, type KernelRoute, type LinkWithAddresses } from '../interfaces/iproute.js';
import type { NodeFacts } from '../kubernetes/cluster-nodes.js';

/** Routes that anybody else has made for the same range go first. */
const METRIC = 4085;

/** The pods of another node by way of its kernel. */
export interface DirectRoute {
  readonly cidr: string;
  readonly via: string;
}

/** Routes to the pods of those nodes that are on a network of this one. */
export function directRoutes(
  nodes: readonly NodeFacts[],
  links: readonly LinkWithAddresses[],
): DirectRoute[] {
  const networks = links.flatMap(({ addr_info }) =>
    addr_info
      .filter(({ family, prefixlen }) => family === 'inet' && prefixlen < 32)
      .flatMap(({ local, prefixlen }) => parseIPv4Prefix(`${local}/${prefixlen}`) ?? []),
  );
  const isNear = (text: string): boolean => {
    const address = parseIPv4(text);
    return address !== undefined && networks.some((network) => prefixContains(network, address));
  };
  return nodes.flatMap(({ podCidrs, internalAddresses }) => {
    const via = internalAddresses.find(isNear);
    return via === undefined ? [] : podCidrs.map((cidr) => ({ cidr, via }));
  });
}

/**
 * Makes these routes, and removes others like them.
 *
 * @throws AgentError COMMAND_FAILED
 */
export async function keepDirectRoutes(wanted: readonly DirectRoute[]): Promise<void> {
  const ip = new IpRoute();
  const present = (await ip.routesOf(ROUTE_PROTOCOL)).filter((route) => route.metric === METRIC);
  const isSame = ({ cidr, via }: DirectRoute, { dst, gateway }: KernelRoute) =>
    gateway === via && (dst === cidr || `${dst}/32` === cidr);
  const old = present.filter((route) => !wanted.some((other) => isSame(other, route)));
  const missing = wanted.filter((route) => !present.some((other) => isSame(route, other)));
  const ours = `proto ${ROUTE_PROTOCOL} metric ${METRIC}`;
  const commands = [
    ...old.map(({ dst }) => `route delete ${dst} ${ours}`),
    ...missing.map(({ cidr, via }) => `route replace ${cidr} via ${via} ${ours}`),
  ];
  if (commands.length > 0) await ip.batch(commands);
}
