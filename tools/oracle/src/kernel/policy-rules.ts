import type { Actor, Policy } from '../scenario.js';
import { SERVED } from '../world.js';
import { at } from './node-rules.js';

/**
 * Policies as they are made on netfilter: new flows are asked for, by the first packet's sender and its receiver, which is the
 * endpoint behind a service.
 */
export function policyRules(
  lane: number,
  policies: readonly Policy[],
  addressOf: (actor: Actor) => string,
): string {
  const isolated = new Map<string, Policy[]>();
  for (const policy of policies) {
    const chain = at(lane, `${policy.pod}-${policy.direction}`);
    isolated.set(chain, [...(isolated.get(chain) ?? []), policy]);
  }
  const rules = [...isolated].flatMap(([chain, [first, ...more]]) => {
    if (first === undefined) return [];
    const { pod, direction } = first;
    const [own, other] =
      direction === 'ingress'
        ? ['ct reply ip saddr', 'ct original ip saddr']
        : ['ct original ip saddr', 'ct reply ip saddr'];
    const allowed = [first, ...more].flatMap(({ allow }) =>
      allow.map(({ peers, protocol }) => {
        const of =
          protocol === undefined ? '' : ` ct protocol ${protocol} ct reply proto-src ${SERVED[protocol]}`;
        return `add rule ip node ${chain} ${other} { ${peers.map(addressOf).join(', ')} }${of} return`;
      }),
    );
    return [
      `add chain ip node ${chain}`,
      `flush chain ip node ${chain}`,
      // A pod may always talk to itself.
      `add rule ip node ${chain} ${other} ${addressOf(pod)} return`,
      ...allowed,
      `add rule ip node ${chain} drop`,
      `add rule ip node ${at(lane, 'policies')} ct state new ${own} ${addressOf(pod)} jump ${chain}`,
    ];
  });
  return [`flush chain ip node ${at(lane, 'policies')}`, ...rules].join('\n');
}
