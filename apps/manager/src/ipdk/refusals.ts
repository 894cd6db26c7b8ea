import type { infra } from '@infra-offload/infra-api';

/** Calls that become wanted state. All others are answered as {@link REFUSALS} says. */
export type CarriedCall =
  | 'createNetwork'
  | 'deleteNetwork'
  | 'setupHostInterface'
  | 'natTranslationAdd'
  | 'natTranslationDelete';

export type RefusedCall = Exclude<keyof infra.InfraAgentService, CarriedCall>;

const POLICY =
  'network policies are not programmed by this version of infra-manager: nothing of this is in force';
const ENDPOINT = `${POLICY}. Endpoints are only needed for policies; pods come with CreateNetwork`;
const SOURCE_NAT =
  'the pipeline does not translate source addresses: nothing of this is in force. Let the node do that (iptables MASQUERADE)';
const ROUTE =
  "routes are not programmed: they would need the next hop's MAC, which this message does not tell. Packets for other nodes go to the node's kernel, which has its own routes";
const TUNNEL =
  "the pipeline makes no tunnels: nothing of this is in force. Packets for other nodes go to the node's kernel";
const UNUSED = 'nothing in the data plane depends on this: it is not kept';

/** Why a call has no effect. Each is said to the caller, because "successful" for nothing done would be a lie. */
export const REFUSALS: Readonly<Record<RefusedCall, string>> = {
  setSnatAddress: SOURCE_NAT,
  addDelSnatPrefix: SOURCE_NAT,
  activePolicyUpdate: POLICY,
  activePolicyRemove: POLICY,
  updateIpSet: POLICY,
  updateIpSetDelta: POLICY,
  removeIpSet: POLICY,
  updateActiveProfile: POLICY,
  removeActiveProfile: POLICY,
  updateHostEndpoint: ENDPOINT,
  removeHostEndpoint: ENDPOINT,
  updateLocalEndpoint: ENDPOINT,
  removeLocalEndpoint: ENDPOINT,
  updateHostMetaData: UNUSED,
  removeHostMetaData: UNUSED,
  updateServiceAccount: UNUSED,
  removeServiceAccount: UNUSED,
  updateNamespace: UNUSED,
  removeNamespace: UNUSED,
  updateRoute: ROUTE,
  removeRoute: ROUTE,
  updateVxlanTunnelEndpoint: TUNNEL,
  removeVxlanTunnelEndpoint: TUNNEL,
  updateWireguardEndpoint: TUNNEL,
  removeWireguardEndpoint: TUNNEL,
  updateGlobalBgpConfig: UNUSED,
};
