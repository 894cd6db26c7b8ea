import type { infra } from '@infra-offload/infra-api';

/** Calls that become wanted state. All others are answered as {@link REFUSALS} says. */
export type CarriedCall =
  | 'createNetwork'
  | 'deleteNetwork'
  | 'setupHostInterface'
  | 'natTranslationAdd'
  | 'natTranslationDelete'
  | PolicyCall;

/** Calls that pass on what Felix says of policies. */
export type PolicyCall =
  | 'activePolicyUpdate'
  | 'activePolicyRemove'
  | 'updateIpSet'
  | 'updateIpSetDelta'
  | 'removeIpSet'
  | 'updateActiveProfile'
  | 'removeActiveProfile'
  | 'updateHostEndpoint'
  | 'removeHostEndpoint'
  | 'updateLocalEndpoint'
  | 'removeLocalEndpoint';

export type RefusedCall = Exclude<keyof infra.InfraAgentService, CarriedCall>;

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
