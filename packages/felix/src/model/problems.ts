import type { Condition } from '@infra-offload/infra-api';

/** Something that an object of the wire cannot carry. */
export interface Problem {
  /** One CamelCase word. */
  readonly reason: ProblemReason;
  readonly message: string;
}

/**
 * - `SourcePortsNotSupported`, `IcmpTypeNotSupported`, `HttpMatchNotSupported`, `UntrackedNotSupported`,
 *   `PreDnatNotSupported`, `LogNotSupported`: the data plane cannot do it.
 * - `PortsNotSupported`: ports of a protocol whose ports the data plane does not read, or that has none.
 * - `OwnAddressNotSupported`: a match on the pod's own address, of a pod whose address is not one and known.
 * - `IpSetUnknown`, `IpSetInvalid`: named by a rule, but not told; told, but not readable.
 * - `InvalidRule`, `UnknownField`, `UnknownAction`: not as Felix of a known version writes it.
 * - `SeveralEndpoints`, `WorkloadNotSupported`, `HostEndpointsNotSupported`: endpoints that are not one pod's only one.
 */
export type ProblemReason =
  | 'SourcePortsNotSupported'
  | 'IcmpTypeNotSupported'
  | 'HttpMatchNotSupported'
  | 'UntrackedNotSupported'
  | 'PreDnatNotSupported'
  | 'LogNotSupported'
  | 'PortsNotSupported'
  | 'OwnAddressNotSupported'
  | 'IpSetUnknown'
  | 'IpSetInvalid'
  | 'InvalidRule'
  | 'UnknownField'
  | 'UnknownAction'
  | 'SeveralEndpoints'
  | 'WorkloadNotSupported'
  | 'HostEndpointsNotSupported';

/** Of many problems with one reason so many are told in words. */
const maxTold = 3;

/** One condition for each reason. */
export function conditionsOf(problems: readonly Problem[]): Condition[] {
  const byReason = new Map<string, string[]>();
  for (const { reason, message } of problems) {
    const messages = byReason.get(reason) ?? [];
    messages.push(message);
    byReason.set(reason, messages);
  }
  return [...byReason].map(([reason, messages]) => {
    const more = messages.length - maxTold;
    const told = messages.slice(0, maxTold).join('; ');
    return { reason, message: more > 0 ? `${told}; and ${more} more` : told };
  });
}
