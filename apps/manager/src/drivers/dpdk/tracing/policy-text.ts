import type { ObjectReference } from '@infra-offload/infra-api';
import { ipv4 } from '@infra-offload/net';
import { type Direction, hasPorts, type PolicyPacket } from '@infra-offload/policy-compiler';
import { type PodObject, referenceOf } from '../../../model/objects.js';
import type { Judgement } from '../../tracing.js';
import { isDenied } from './denied.js';
import type { Facts } from './facts.js';
import { listed, portText, referenceTo, whoHas } from './names.js';

/** What the policies of one direction do with a packet. */
export interface PolicyText {
  readonly text: string;
  readonly objects: readonly ObjectReference[];
  /** What would have to change; empty if they let it pass. */
  readonly remedy: string;
}

export function policyText(direction: Direction, facts: Facts): PolicyText {
  const { world } = facts;
  const lookups = facts.of(direction);
  const keyOf = (table: string) => lookups.find((lookup) => lookup.table === table)?.key ?? [];
  const [address = 0] = keyOf(`policy_${direction}`);
  const pod = world.pod(ipv4(address));
  if (lookups[0]?.hit !== true || pod === undefined)
    return {
      text: `${direction}: no policy isolates ${whoHas(ipv4(address), world)}`,
      objects: [],
      remedy: '',
    };
  const [, peer = 0] = keyOf('policy_peer');
  const [, protocol = 0, port = 0] = keyOf('policy_port');
  const asked: PolicyPacket = { peer: ipv4(peer), protocol, port: hasPorts(protocol) ? port : undefined };
  const judgement = world.judge(pod, direction, asked);
  const denied = isDenied(direction, facts);
  const { policies = [], rule } = judgement ?? {};
  const named = denied || rule?.policy === undefined ? policies : [rule.policy];
  return {
    text: `${direction} of pod ${nameOf(pod)}: ${denied ? denial(judgement) : permission(judgement)}`,
    objects: [referenceTo(pod), ...named.map((name) => referenceOf(`policy/${name}`))],
    remedy: denied ? remedyOf(direction, judgement, pod, asked, facts) : '',
  };
}

function permission(judgement: Judgement | undefined): string {
  if (judgement?.isAllowed !== true)
    return 'allowed by the device, although no policy allows it: a change has not reached it yet';
  const { policy, text = '' } = judgement.rule ?? {};
  return policy === undefined ? `allowed, since ${text}` : `allowed by policy ${policy} (${text})`;
}

function denial(judgement: Judgement | undefined): string {
  const { isAllowed = false, policies = [], rule } = judgement ?? {};
  if (isAllowed) return `denied by the device, although policy ${rule?.policy} allows it (${rule?.text})`;
  if (rule !== undefined) return `denied by policy ${rule.policy} (${rule.text})`;
  if (policies.length === 0) return 'denied: it is isolated, and no policy allows anything';
  return `denied: no rule of the policies that isolate it matches (${listed(policies)})`;
}

function remedyOf(
  direction: Direction,
  judgement: Judgement | undefined,
  pod: PodObject,
  { peer, protocol, port }: PolicyPacket,
  { world }: Facts,
): string {
  if (judgement?.isAllowed === true)
    return 'the change has to reach the device: "infractl status" says what keeps it';
  const preposition = direction === 'ingress' ? 'from' : 'to';
  const traffic = `${direction} ${preposition} ${whoHas(peer, world)} with ${portText(port ?? 0, protocol)}`;
  const policy = judgement?.rule?.policy;
  if (policy !== undefined) return `policy ${policy} must not deny ${traffic}`;
  const hint = port === undefined ? ', in a rule without ports' : '';
  return `a policy that selects pod ${nameOf(pod)} must allow ${traffic}${hint}`;
}

function nameOf({ namespace, name }: PodObject): string {
  return `${namespace}/${name}`;
}
