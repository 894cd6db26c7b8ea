import { type TraceRequest, type TraceResponse, TraceVerdict } from '@infra-offload/infra-api';
import { ipv4, ipv4Prefix, mac } from '@infra-offload/net';
import { P4rtError } from '@infra-offload/p4rt';
import type { Entity } from '@infra-offload/p4rt/proto';
import { CONNTRACK_TIMEOUTS, FlowState, k8sDp } from '@infra-offload/p4src';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Driver } from '../../drivers/driver.js';
import type { PodObject } from '../../model/objects.js';
import type { PolicyObject, PolicyRule } from '../../model/policy-objects.js';
import { aNode, aPod, aService, Core, coreDriver } from '../../testing/core.js';
import { type FlowSession, Flows } from '../flows.js';
import { Tracer } from './tracer.js';

const { TRACE_VERDICT_DELIVERED: DELIVERED, TRACE_VERDICT_DROPPED: DROPPED } = TraceVerdict;
const { TRACE_VERDICT_REJECTED: REJECTED } = TraceVerdict;
const TCP = 6;
const UDP = 17;
const ICMP = 1;

/** Of a call that a target has refused. */
const RPC = { address: 'x', method: 'Read', grpcCode: 12, serverMessage: '' };

let core: Core;
let session: FlowSession | undefined;

beforeEach(async () => {
  core = new Core();
  session = undefined;
  core.controller.upsert(
    aNode({
      uplinkInterface: 'mem9',
      routes: [route('10.244.2.0', 24, false), { ...route('0.0.0.0', 0, true), source: ipv4('192.0.2.1') }],
    }),
  );
  for (const i of [1, 2, 3]) core.controller.upsert(aPod(i));
  core.tellPorts('mem0', 'mem1', 'mem2', 'mem3', 'mem9');
  await core.attach();
});
afterEach(() => core.stop());

const route = (cidr: string, length: number, masquerade: boolean) => ({
  cidr: ipv4Prefix(ipv4(cidr), length),
  interfaceName: 'mem9',
  nextHopMac: mac(0x0200_0000_0900),
  sourceMac: mac(0x0200_0000_0901),
  masquerade,
});

function tracerOf(driver: Driver<ReturnType<typeof coreDriver.base>[number]> = coreDriver) {
  const { controller, reconciler } = core;
  const flows = new Flows({ driver, controller, session: () => session });
  return new Tracer({ driver, controller, reconciler, flows });
}

function ask(to: string, more: Partial<TraceRequest> = {}): Promise<TraceResponse> {
  return tracerOf().trace({ from: 'default/pod-1', to, port: 0, protocol: 0, sourcePort: 0, ...more });
}

async function want(...objects: readonly Parameters<Core['controller']['upsert']>[0][]): Promise<void> {
  for (const object of objects) core.controller.upsert(object);
  await core.settled();
}

const texts = ({ steps }: TraceResponse) => steps.map(({ text }) => text);

describe('without policies', () => {
  it('a pod reaches a pod: each step has what was looked up for it', async () => {
    const answer = await ask('default/pod-2', { port: 8080 });
    expect(answer).toMatchObject({
      verdict: DELIVERED,
      summary: 'delivered to pod default/pod-2, 10.244.1.2:8080',
      remedy: '',
      notes: [],
      receiver: { name: 'c2/eth0' },
      sent: { protocol: TCP, source: { address: '10.244.1.1' }, destination: { port: 8080 } },
      received: { source: { address: '10.244.1.1', port: 32_768 } },
    });
    expect(texts(answer)).toEqual([
      'it comes in at the port of pod default/pod-1',
      'it belongs to no flow that is known',
      '10.244.1.2:8080 is no service',
      'egress: no policy isolates pod default/pod-1',
      'ingress: no policy isolates pod default/pod-2',
      'pod default/pod-2 is at port 2 of this node',
      'both directions of the flow are remembered',
    ]);
    expect(answer.steps[5]?.lookups).toEqual([
      {
        table: 'pod_forward',
        key: 'pod_ip=10.244.1.2',
        hit: true,
        action: expect.stringContaining('forward(port=2, dst_mac=02:00:00:00:01:02'),
        learned: false,
      },
    ]);
    expect(answer.steps[6]?.lookups.map(({ table, learned }) => [table, learned])).toEqual([
      ['conntrack', true],
      ['conntrack', true],
    ]);
  });

  it('through a service, to an endpoint that is chosen among them all', async () => {
    await want(aService('web', 10, [2, 3]));
    const answer = await ask('default/web');
    const chosen = answer.received?.destination?.address;
    expect(['10.244.1.2', '10.244.1.3']).toContain(chosen);
    expect(texts(answer)).toContain('10.96.0.10:80 is service default/web:/TCP');
    expect(texts(answer).join()).toMatch(
      `the endpoint is ${chosen}:8080 of pod default/pod-${chosen?.slice(-1)}, chosen among 2: 10.244.1.2:8080, 10.244.1.3:8080`,
    );
    expect(answer.notes).toEqual([expect.stringContaining('depends on the source port')]);
  });

  it('a pod that is its own endpoint gets the packet from the gateway', async () => {
    await want(aService('web', 10, [1]));
    const answer = await ask('default/web');
    expect(answer).toMatchObject({
      verdict: DELIVERED,
      summary: 'delivered to pod default/pod-1, 10.244.1.1:8080',
      received: { source: { address: '169.254.1.1' } },
    });
    expect(texts(answer).join()).toContain('(the pod is its own endpoint: answers must come back here)');
  });

  it.each([
    [TCP, 'rejected with a TCP reset: service without endpoint'],
    [UDP, 'rejected with an ICMP error (port unreachable): service without endpoint'],
  ])('a service without endpoints refuses (protocol %i)', async (protocol, summary) => {
    await want(aService('web', 10, [], { protocol: protocol === TCP ? 'TCP' : 'UDP' }));
    const answer = await ask('default/web');
    expect(answer).toMatchObject({ verdict: REJECTED, summary, received: undefined });
    expect(answer.remedy).toContain('needs an endpoint: a ready pod that its selector selects');
    expect(texts(answer).join()).toContain(', which has no endpoint');
  });

  it('endpoints on other nodes only are not used under traffic policy Local', async () => {
    await want(aService('web', 10, [], { hasEndpointsElsewhere: true }));
    expect(await ask('default/web')).toMatchObject({
      verdict: DROPPED,
      summary: 'dropped: service without endpoint on this node',
      remedy: expect.stringContaining('traffic policy Cluster'),
    });
  });

  it('a port that a service does not have is refused', async () => {
    await want(aService('web', 10, [2]));
    const answer = await ask('default/web', { port: 81 });
    expect(answer).toMatchObject({
      verdict: REJECTED,
      summary: 'rejected with a TCP reset: port that no service has',
      remedy: 'a service with the address 10.96.0.10 needs a port tcp 81; there is tcp 80',
    });
    expect(texts(answer)).toContain(
      '10.96.0.10 is the address of service default/web:/TCP, and none has tcp 81',
    );
  });

  it('a service address that no service has is dropped', async () => {
    const answer = await ask('10.96.0.99', { port: 80 });
    expect(answer).toMatchObject({
      verdict: DROPPED,
      summary: 'dropped: no such service address',
      remedy: 'a service needs the address 10.96.0.99',
    });
    expect(texts(answer)).toContain('10.96.0.99 is in a range of service addresses');
  });

  it('to another node by its route; to outside with the source of masquerade', async () => {
    const there = await ask('10.244.2.7', { port: 80 });
    expect(there).toMatchObject({
      verdict: DELIVERED,
      summary: 'delivered: leaves the node for 10.244.2.7:80 by the route 10.244.2.0/24 (mem9)',
      receiver: undefined,
      received: { source: { address: '10.244.1.1' } },
    });
    const outside = await ask('198.51.100.1', { port: 443 });
    expect(outside).toMatchObject({ verdict: DELIVERED, received: { source: { address: '192.0.2.1' } } });
    expect(texts(outside)).toContain(
      '198.51.100.1 is behind the route 0.0.0.0/0 (mem9), which masquerades pods',
    );
    expect(texts(outside).join()).toContain('(masquerade)');
  });

  it('to the node, and to what neither a pod nor a route has', async () => {
    expect(await ask('10.244.1.254', { protocol: ICMP })).toMatchObject({
      verdict: DELIVERED,
      summary: "delivered to the node's kernel, for 10.244.1.254",
    });
    await want(aNode());
    const answer = await ask('10.244.1.99', { port: 80 });
    expect(answer).toMatchObject({
      verdict: DELIVERED,
      summary: "delivered to the node's kernel, for 10.244.1.99:80",
    });
    expect(texts(answer)).toContain(
      'no pod of this node and no route has 10.244.1.99: it is left to the node',
    );
  });

  it('SCTP, and ping', async () => {
    for (const more of [{ protocol: 132, port: 80 }, { protocol: ICMP }])
      expect(await ask('default/pod-2', more)).toMatchObject({ verdict: DELIVERED });
  });
});

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
    await want(policy('default/deny-all', {}), isolate(2, { ingress: ['default/deny-all'] }));
    const answer = await ask('default/pod-2', { port: 80 });
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
    await want(
      policy('default/web', { ingress: [allow('10.244.1.1', 8080)] }),
      isolate(2, { ingress: ['default/web'] }),
      aService('web', 10, [2]),
    );
    const allowed = await ask('default/web');
    expect(allowed.verdict).toBe(DELIVERED);
    expect(texts(allowed)).toContain(
      'ingress of pod default/pod-2: allowed by policy default/web (allow from 10.244.1.1/32; tcp 8080)',
    );
    expect(await ask('default/pod-2', { port: 8081 })).toMatchObject({ verdict: DROPPED });
    expect(await ask('default/pod-2', { port: 8080, from: 'default/pod-3' })).toMatchObject({
      verdict: DROPPED,
      remedy: expect.stringContaining('from pod default/pod-3 with tcp 8080'),
    });
    expect(await ask('default/pod-2', { protocol: ICMP })).toMatchObject({
      remedy: expect.stringContaining('with icmp, in a rule without ports'),
    });
  });

  it('egress is asked first', async () => {
    await want(
      policy('default/out', { egress: [allow('10.244.1.3')] }),
      isolate(1, { egress: ['default/out'] }),
      isolate(2, { ingress: [] }),
    );
    const denied = await ask('default/pod-2', { port: 80 });
    expect(denied).toMatchObject({
      verdict: DROPPED,
      summary:
        'dropped: egress of pod default/pod-1: denied: no rule of the policies that isolate it matches (default/out)',
      remedy: 'a policy that selects pod default/pod-1 must allow egress to pod default/pod-2 with tcp 80',
    });
    expect(await ask('default/pod-3', { port: 80 })).toMatchObject({ verdict: DELIVERED });
  });

  it('a rule that denies is told as such', async () => {
    await want(
      policy('~felix/no', { ingress: [{ ...allow('10.244.1.1'), action: 'deny' }] }),
      isolate(2, { ingress: ['~felix/no'] }),
    );
    expect(await ask('default/pod-2', { port: 80 })).toMatchObject({
      summary: 'dropped: ingress of pod default/pod-2: denied by policy ~felix/no (deny from 10.244.1.1/32)',
      remedy: 'policy ~felix/no must not deny ingress from pod default/pod-1 with tcp 80',
    });
  });

  it('the device decides: what it lacks of an allowed packet is said', async () => {
    core.device.refuses = (row) => (row?.table === 'policy_port' ? 'RESOURCE_EXHAUSTED' : undefined);
    await want(
      policy('default/web', { ingress: [allow('10.244.1.1', 8080)] }),
      isolate(2, { ingress: ['default/web'] }),
    );
    const answer = await ask('default/pod-2', { port: 8080 });
    expect(answer).toMatchObject({ verdict: DROPPED, remedy: expect.stringContaining('infractl status') });
    expect(answer.summary).toContain('denied by the device, although policy default/web allows it');
    expect(answer.notes).toContainEqual(expect.stringContaining('policy default/web is degraded'));
  });
});

describe('a flow that exists', () => {
  const { conntrack, flow_epoch: epochs } = k8sDp.tables;
  const { flows } = k8sDp.registers;
  const client = { src_ip: ipv4('10.244.1.1'), src_port: 40_000 };

  /** A device with a flow of pod 1 to service `web`, at an endpoint that is none of it any more. */
  function deviceWithFlow(epoch: number, checkedAt: number): FlowSession {
    const seconds = (count: number) => BigInt(count) * 1_000_000_000n;
    const told = ({ entity }: Entity): Entity =>
      entity?.$case !== 'tableEntry'
        ? { entity }
        : {
            entity: {
              $case: 'tableEntry',
              value: {
                ...entity.value,
                idleTimeoutNs: seconds(CONNTRACK_TIMEOUTS[FlowState.established]),
                timeSinceLastHit: { elapsedNs: seconds(3) },
              },
            },
          };
    const held = [
      conntrack.entry(
        { ...client, dst_ip: ipv4('10.96.0.10'), protocol: TCP, dst_port: 80 },
        conntrack.actions.ct_original({
          ...{ kind: 0xc1, serial: 7, nat_ip: ipv4('10.244.1.3'), nat_port: 8080 },
          ...{ client_ip: client.src_ip, client_port: client.src_port, endpoint_id: 258 },
        }),
      ),
      conntrack.entry(
        {
          src_ip: ipv4('10.244.1.3'),
          src_port: 8080,
          dst_ip: client.src_ip,
          protocol: TCP,
          dst_port: 40_000,
        },
        conntrack.actions.ct_reply({
          ...{ kind: 0xc2, serial: 7, nat_ip: ipv4('10.96.0.10'), nat_port: 80 },
          ...{ client_ip: client.src_ip, client_port: client.src_port, flow_id: 77 },
        }),
      ),
    ].map(told);
    const cell = flows.cell(77, (BigInt(checkedAt) << 32n) | (7n << 16n) | BigInt(FlowState.established));
    const epochEntry = epochs.defaultEntry(epochs.defaultActions.set_flow_epoch({ epoch, flags: 1 }));
    return {
      write: () => Promise.reject(new Error('nothing is to be written')),
      async *read(wanted) {
        for (const { entity } of wanted) {
          if (entity?.$case === 'registerEntry') yield cell;
          if (entity?.$case !== 'tableEntry') continue;
          if (entity.value.tableId === epochs.id) yield epochEntry;
          for (const one of held)
            if (
              one.entity?.$case === 'tableEntry' &&
              JSON.stringify(one.entity.value.match) === JSON.stringify(entity.value.match)
            )
              yield one;
        }
      },
    };
  }

  it('is shown, and says where its packets go, whatever the service says by now', async () => {
    await want(aService('web', 10, [2]));
    session = deviceWithFlow(5, 5);
    const answer = await ask('default/web', { sourcePort: 40_000 });
    expect(answer).toMatchObject({
      verdict: DELIVERED,
      summary: 'delivered to pod default/pod-3, 10.244.1.3:8080',
      flow: {
        client: { address: '10.244.1.1', port: 40_000 },
        service: { address: '10.96.0.10', port: 80 },
        endpoint: { address: '10.244.1.3', port: 8080 },
        state: 'established',
      },
    });
    expect(texts(answer)).toContain('it belongs to a flow, which is established');
    // Another port begins another flow.
    const other = await ask('default/web', { sourcePort: 40_001 });
    expect(other).toMatchObject({ flow: undefined, received: { destination: { address: '10.244.1.2' } } });
  });

  it('its answers leave as those of the service', async () => {
    session = deviceWithFlow(5, 5);
    const more = { from: 'default/pod-3', sourcePort: 8080, port: 40_000 };
    expect(await ask('10.244.1.1', more)).toMatchObject({
      verdict: DELIVERED,
      flow: { state: 'established' },
      received: { source: { address: '10.96.0.10', port: 80 } },
    });
  });

  it('is checked anew when the epoch has been raised since', async () => {
    await want(
      { kind: 'policy', name: 'default/no', ingress: [], egress: [], agentConditions: [] },
      {
        ...{ kind: 'isolation', namespace: 'default', name: 'pod-3', egress: undefined },
        ingress: [{ policies: ['default/no'], defaultAction: 'deny' }],
        agentConditions: [],
      },
    );
    const since = core.device.rows.find((row) => row.table === 'pod_forward' && row.since > 0);
    const { since: arrived = 0 } = since?.table === 'pod_forward' ? since : {};
    session = deviceWithFlow(arrived + 10, arrived + 10);
    expect(await ask('10.96.0.10', { port: 80, sourcePort: 40_000 })).toMatchObject({ verdict: DELIVERED });
    session = deviceWithFlow(arrived + 11, arrived + 10);
    expect(await ask('10.96.0.10', { port: 80, sourcePort: 40_000 })).toMatchObject({
      verdict: DROPPED,
      summary: expect.stringContaining('default/no'),
    });
  });

  it('a client that a service keeps stays at its endpoint', async () => {
    await want(aService('web', 10, [2, 3], { affinitySeconds: 10 }));
    const { affinity } = k8sDp.tables;
    for (const [slot, address] of [
      [1, '10.244.1.2'],
      [2, '10.244.1.3'],
    ] as const) {
      session = {
        write: () => Promise.resolve(),
        async *read([wanted]) {
          if (wanted?.entity?.$case === 'tableEntry' && wanted.entity.value.tableId === affinity.id)
            yield affinity.entry(
              { service_id: 1, src_ip: client.src_ip },
              affinity.actions.affinity_hit({ endpoint_id: 256 + slot }),
            );
        },
      };
      const answer = await ask('default/web');
      expect(answer).toMatchObject({ received: { destination: { address } }, notes: [] });
      expect(texts(answer).join()).toContain('which keeps this client (ClientIP affinity)');
    }
  });
});

describe('a question that makes no sense', () => {
  it.each<[string, Partial<TraceRequest>, string]>([
    ['default/pod-2', {}, 'port: tcp needs one'],
    ['default/pod-2', { protocol: 47 }, 'protocol: 47 is none of tcp, udp, sctp and icmp'],
    ['default/pod-2', { protocol: ICMP, port: 8 }, 'port: ICMP has no ports'],
    ['default/pod-2', { port: 70_000 }, 'port: 70000 is not in 0..65535'],
    ['default/pod-2', { port: 1, sourcePort: 70_000 }, 'source_port: 70000 is not in 0..65535'],
    ['default/two', {}, 'port: service default/two has tcp 80, udp 53: say port and protocol'],
    ['default/pod-3', { port: 80 }, 'there are a pod and a service default/pod-3'],
  ])('%s %o', async (to, more, message) => {
    await want(
      aService('two', 10, [2]),
      aService('two', 10, [2], {
        ...{ portName: 'dns', protocol: 'UDP' },
        frontends: [{ address: ipv4('10.96.0.10'), port: 53 }],
      }),
      aService('pod-3', 11, [2]),
    );
    await expect(ask(to, more)).rejects.toMatchObject({
      code: 'INVALID_OBJECT',
      message: expect.stringContaining(message),
    });
  });

  it.each([
    [
      'default/pod-9',
      'default/pod-1',
      /to: there is no service, and no pod of this node, "default\/pod-9"; did you mean/,
    ],
    ['pod/default/pod-9', 'default/pod-1', /to: there is no pod "default\/pod-9" on this node/],
    ['not an address', 'default/pod-1', /to: there is no service/],
    ['default/pod-2', 'default/pod-9', /from: there is no pod "default\/pod-9" on this node; did you mean/],
  ])('nobody is %s', async (to, from, message) => {
    await expect(ask(to, { from, port: 80 })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringMatching(message),
    });
  });

  it('a kind tells a pod from a service of the same name', async () => {
    await want(aService('pod-3', 11, [2]));
    expect(await ask('pod/default/pod-3', { port: 80 })).toMatchObject({
      sent: { destination: { address: '10.244.1.3' } },
    });
    expect(await ask('service/default/pod-3')).toMatchObject({
      sent: { destination: { address: '10.96.0.11' } },
    });
  });
});

describe('what cannot be told', () => {
  it('without a target, or a pod that is not in it', async () => {
    const late: PodObject = aPod(4);
    core.controller.upsert(late);
    await core.settled();
    await expect(ask('default/pod-2', { from: 'default/pod-4', port: 80 })).rejects.toMatchObject({
      code: 'TARGET_UNAVAILABLE',
      message: expect.stringContaining('pod default/pod-4 is not in the device: InterfaceUnknown'),
    });
    core.detach();
    await expect(ask('default/pod-2', { port: 80 })).rejects.toMatchObject({ code: 'TARGET_UNAVAILABLE' });
  });

  it('without what the target has learned: that is noted, and a new flow is traced', async () => {
    session = {
      write: () => Promise.resolve(),
      // biome-ignore lint/correctness/useYield: it fails before there is anything
      async *read() {
        throw new P4rtError('UNIMPLEMENTED', 'no learned entries', { details: RPC });
      },
    };
    const answer = await ask('default/pod-2', { port: 80, sourcePort: 40_000 });
    expect(answer).toMatchObject({ verdict: DELIVERED, flow: undefined });
    expect(answer.notes).toEqual([expect.stringContaining('flows that exist are left out of account')]);
  });

  it('with a pipeline that nothing is known of', async () => {
    const { tracing: _, ...others } = coreDriver;
    const request = { from: 'default/pod-1', to: 'default/pod-2', port: 80, protocol: 0, sourcePort: 0 };
    await expect(tracerOf(others).trace(request)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
});
