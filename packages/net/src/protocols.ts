/** IANA protocol numbers, as in the IPv4 header. */
export const PROTOCOL_NUMBERS = {
  ICMP: 1,
  TCP: 6,
  UDP: 17,
  ICMPv6: 58,
  SCTP: 132,
  UDPLite: 136,
} as const;

export type ProtocolName = keyof typeof PROTOCOL_NUMBERS;

/** Protocols that services have, whose ports the data plane reads. */
export const TRANSPORT_PROTOCOLS = ['TCP', 'UDP', 'SCTP'] as const satisfies readonly ProtocolName[];

export type TransportProtocol = (typeof TRANSPORT_PROTOCOLS)[number];

const NAMES: ReadonlyMap<number, ProtocolName> = new Map(
  (Object.keys(PROTOCOL_NUMBERS) as ProtocolName[]).map((name) => [PROTOCOL_NUMBERS[name], name]),
);

const NUMBERS: ReadonlyMap<string, number> = new Map(
  Object.entries(PROTOCOL_NUMBERS).map(([name, number]) => [name.toLowerCase(), number]),
);

/** What a number is called: `TCP`; undefined for protocols without a name here. */
export function protocolName(number: number): ProtocolName | undefined {
  return NAMES.get(number);
}

/** The protocol of that number among those that services have. */
export function transportProtocol(number: number): TransportProtocol | undefined {
  return TRANSPORT_PROTOCOLS.find((name) => PROTOCOL_NUMBERS[name] === number);
}

/** A protocol by its name, in any case, or by its number, 1 to 255; undefined if it is neither. */
export function parseProtocol(text: string): number | undefined {
  const known = NUMBERS.get(text.toLowerCase());
  if (known !== undefined) return known;
  return /^[1-9][0-9]{0,2}$/.test(text) && Number(text) <= 255 ? Number(text) : undefined;
}
