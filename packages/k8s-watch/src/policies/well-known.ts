import type { Protocol } from '../objects/types.js';

/** The API server gives it to every namespace, with the namespace's name as its value. */
export const NAMESPACE_NAME_LABEL = 'kubernetes.io/metadata.name';

/** IANA protocol numbers of the protocols that have ports. */
export const PROTOCOL_NUMBERS: Readonly<Record<Protocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 };
