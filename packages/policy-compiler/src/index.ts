export { hasPorts, type PolicyPacket, ruleMatches } from './match.js';
export { type PortPiece, PortSpace, type Region } from './port-space.js';
export type {
  AddressPort,
  Direction,
  PolicyAction,
  PolicyProfile,
  PortMatch,
  ProfilePeer,
  ProfileRule,
  ProfileTier,
  ResolvedSet,
} from './profile.js';
export { type ExactPeer, evaluateProfile, type PeerRange, type PolicyRegions } from './regions.js';
