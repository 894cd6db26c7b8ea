import { podGateway } from '../interfaces/attachment.js';
import { ROUTE_PROTOCOL } from '../interfaces/host-interface.js';
import { IpRoute } from '../interfaces/iproute.js';

/**
 * Takes from the node's interface what the agent gave it: routes, neighbour, addresses. It stays with the target, down.
 *
 * @returns whether there was such an interface.
 * @throws AgentError COMMAND_FAILED
 */
export async function releaseHostInterface(name: string): Promise<boolean> {
  const ip = new IpRoute();
  const link = (await ip.linksWithAddresses()).find(({ ifname }) => ifname === name);
  if (link === undefined) return false;
  const routes = (await ip.routes(name)).filter(({ protocol }) => protocol === ROUTE_PROTOCOL);
  await ip.batch([
    ...routes.map(({ dst }) => `route delete ${dst} dev ${name} proto ${ROUTE_PROTOCOL}`),
    `neighbour flush to ${podGateway} dev ${name} nud permanent`,
    `address flush dev ${name} scope global`,
    `link set dev ${name} down`,
  ]);
  return true;
}
