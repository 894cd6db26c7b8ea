export {
  type Family,
  familyOf,
  formatIPAddress,
  type IPAddress,
  parseIPAddress,
} from './address.js';
export { type Branded, NetError } from './branded.js';
export { formatIPv4, type IPv4, ipv4, ipv4Bytes, isUnicastIPv4, parseIPv4 } from './ipv4.js';
export { formatIPv6, type IPv6, ipv6, ipv6Bytes, ipv6FromBytes, parseIPv6 } from './ipv6.js';
export { formatMac, isUnicastMac, type Mac, mac, parseMac } from './mac.js';
export {
  formatPrefix,
  type IPv4Prefix,
  type IPv6Prefix,
  ipv4Prefix,
  ipv6Prefix,
  isIPv4Prefix,
  type Prefix,
  parseIPv4Prefix,
  parsePrefix,
  prefixContains,
} from './prefix.js';
export {
  PROTOCOL_NUMBERS,
  type ProtocolName,
  parseProtocol,
  protocolName,
  TRANSPORT_PROTOCOLS,
  type TransportProtocol,
  transportProtocol,
} from './protocols.js';
export { POD_GATEWAY, POD_GATEWAY_MAC } from './well-known.js';
