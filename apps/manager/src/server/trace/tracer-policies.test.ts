import { TraceVerdict } from '@infra-offload/infra-api';
import { ipv4, ipv4Prefix } from '@infra-offload/net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PolicyObject, PolicyRule } from '../../model/policy-objects.js';
import { aService } from '../../testing/core.js';
import { TracedNode, textsOf } from '../../testing/traced-node.js';

const { TRACE_VERDICT_DELIVERED: DELIVERED, TRACE_VERDICT_DROPPED: DROPPED } = TraceVerdict;
const TCP = 6;
const ICMP = 1;

let node: TracedNode;

beforeEach(async () => {
  node = await TracedNode.create();
});
afterEach(() => node.stop());

describe('with policies', () => {
  const allow = (peer: string, port?: number): PolicyRule => ({
    action: 'allow',
    peers: [{ negated: false, cidrs: [ipv4Prefix(ipv4(peer), 32)], sets: [] }],
    ports: port === undefined ? [] : [{ kind: 'range', protocol: TCP, ports: { first: port, last: port } }],
    notPorts: [],
  });
  const policy = (name: string, rules: Partial<Pick<PolicyObject, 'ingress' | 'egress'>>): PolicyObject => ({
    kind: 'policy',
    name,
    ingress: [],
    egress: [],
    agentConditions: [],
    ...rules,
  });
  const isolate = (
    pod: number,
    under: { readonly ingress?: readonly string[]; readonly egress?: readonly string[] },
  ) => {
    const tiers = (policies: readonly string[] | undefined) =>
      policies && [{ policies, defaultAction: 'deny' as const }];
    return {
      kind: 'isolation',
      namespace: 'default',
      name: `pod-${pod}`,
      ingress: tiers(under.ingress),
      egress: tiers(under.egress),
      agentConditions: [],
    } as const;
  };

  it('a default deny is told by the names of the policies that isolate the pod', async () => {
    await node.want(policy('default/deny-all', {}), isolate(2, { ingress: ['default/deny-all'] }));
    const answer = await node.ask('default/pod-2', { port: 80 });
    const said =
      'ingress of pod default/pod-2: denied: no rule of the policies that isolate it matches (default/deny-all)';
    expect(answer).toMatchObject({
      verdict: DROPPED,
      summary: `dropped: ${said}`,
      remedy: 'a policy that selects pod default/pod-2 must allow ingress from pod default/pod-1 with tcp 80',
    });
    const step = answer.steps.find(({ text }) => text === said);
    expect(step?.objects).toMatchObject([{ name: 'c2/eth0' }, { name: 'default/deny-all' }]);
    expect(step?.lookups.map(({ table, hit }) => [table, hit])).toEqual([
      ['policy_ingress', true],
      ['policy_peer', false],
      ['policy_cidr', false],
      // The node may always come in, with anything.
      ['policy_port', true],
    ]);
  });

  it('a rule that allows it is told, and what does not match it is denied', async () => {
    await node.want(
      policy('default/web', { ingress: [allow('10.244.1.1', 8080)] }),
      isolate(2, { ingress: ['default/web'] }),
      aService('web', 10, [2]),
    );
    const allowed = await node.ask('default/web');
    expect(allowed.verdict).toBe(DELIVERED);
    expect(textsOf(allowed)).toContain(
      'ingress of pod default/pod-2: allowed by policy default/web (allow from 10.244.1.1/32; tcp 8080)',
    );
    expect(await node.ask('default/pod-2', { port: 8081 })).toMatchObject({ verdict: DROPPED });
    expect(await node.ask('default/pod-2', { port: 8080, from: 'default/pod-3' })).toMatchObject({
      verdict: DROPPED,
      remedy: expect.stringContaining('from pod default/pod-3 with tcp 8080'),
    });
    expect(await node.ask('default/pod-2', { protocol: ICMP })).toMatchObject({
      remedy: expect.stringContaining('with icmp, in a rule without ports'),
    });
  });

  it('egress is asked first', async () => {
    await node.want(
      policy('default/out', { egress: [allow('10.244.1.3')] }),
      isolate(1, { egress: ['default/out'] }),
      isolate(2, { ingress: [] }),
    );
    const denied = await node.ask('default/pod-2', { port: 80 });
    expect(denied).toMatchObject({
      verdict: DROPPED,
      summary:
        'dropped: egress of pod default/pod-1: denied: no rule of the policies that isolate it matches (default/out)',
      remedy: 'a policy that selects pod default/pod-1 must allow egress to pod default/pod-2 with tcp 80',
    });
    expect(await node.ask('default/pod-3', { port: 80 })).toMatchObject({ verdict: DELIVERED });
  });

  it('a rule that denies is told as such', async () => {
    await node.want(
      policy('~felix/no', { ingress: [{ ...allow('10.244.1.1'), action: 'deny' }] }),
      isolate(2, { ingress: ['~felix/no'] }),
    );
    expect(await node.ask('default/pod-2', { port: 80 })).toMatchObject({
      summary: 'dropped: ingress of pod default/pod-2: denied by policy ~felix/no (deny from 10.244.1.1/32)',
      remedy: 'policy ~felix/no must not deny ingress from pod default/pod-1 with tcp 80',
    });
  });

  it('the device decides: what it lacks of an allowed packet is said', async () => {
    node.core.device.refuses = (row) => (row?.table === 'policy_port' ? 'RESOURCE_EXHAUSTED' : undefined);
    await node.want(
      policy('default/web', { ingress: [allow('10.244.1.1', 8080)] }),
      isolate(2, { ingress: ['default/web'] }),
    );
    const answer = await node.ask('default/pod-2', { port: 8080 });
    expect(answer).toMatchObject({ verdict: DROPPED, remedy: expect.stringContaining('infractl status') });
    expect(answer.summary).toContain('denied by the device, although policy default/web allows it');
    expect(answer.notes).toContainEqual(expect.stringContaining('policy default/web is degraded'));
  });
});
