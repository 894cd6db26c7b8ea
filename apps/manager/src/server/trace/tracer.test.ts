import { type TraceRequest, TraceVerdict } from '@infra-offload/infra-api';
import { ipv4 } from '@infra-offload/net';
import { P4rtError } from '@infra-offload/p4rt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PodObject } from '../../model/objects.js';
import { aNode, aPod, aService, coreDriver } from '../../testing/core.js';
import { TracedNode, textsOf } from '../../testing/traced-node.js';

const { TRACE_VERDICT_DELIVERED: DELIVERED, TRACE_VERDICT_DROPPED: DROPPED } = TraceVerdict;
const { TRACE_VERDICT_REJECTED: REJECTED } = TraceVerdict;
const TCP = 6;
const UDP = 17;
const ICMP = 1;

/** Of a call that a target has refused. */
const RPC = { address: 'x', method: 'Read', grpcCode: 12, serverMessage: '' };

let node: TracedNode;

beforeEach(async () => {
  node = await TracedNode.create();
});
afterEach(() => node.stop());

describe('without policies', () => {
  it('a pod reaches a pod: each step has what was looked up for it', async () => {
    const answer = await node.ask('default/pod-2', { port: 8080 });
    expect(answer).toMatchObject({
      verdict: DELIVERED,
      summary: 'delivered to pod default/pod-2, 10.244.1.2:8080',
      remedy: '',
      notes: [],
      receiver: { name: 'c2/eth0' },
      sent: { protocol: TCP, source: { address: '10.244.1.1' }, destination: { port: 8080 } },
      received: { source: { address: '10.244.1.1', port: 32_768 } },
    });
    expect(textsOf(answer)).toEqual([
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
    await node.want(aService('web', 10, [2, 3]));
    const answer = await node.ask('default/web');
    const chosen = answer.received?.destination?.address;
    expect(['10.244.1.2', '10.244.1.3']).toContain(chosen);
    expect(textsOf(answer)).toContain('10.96.0.10:80 is service default/web:/TCP');
    expect(textsOf(answer).join()).toMatch(
      `the endpoint is ${chosen}:8080 of pod default/pod-${chosen?.slice(-1)}, chosen among 2: 10.244.1.2:8080, 10.244.1.3:8080`,
    );
    expect(answer.notes).toEqual([expect.stringContaining('depends on the source port')]);
  });

  it('a pod that is its own endpoint gets the packet from the gateway', async () => {
    await node.want(aService('web', 10, [1]));
    const answer = await node.ask('default/web');
    expect(answer).toMatchObject({
      verdict: DELIVERED,
      summary: 'delivered to pod default/pod-1, 10.244.1.1:8080',
      received: { source: { address: '169.254.1.1' } },
    });
    expect(textsOf(answer).join()).toContain('(the pod is its own endpoint: answers must come back here)');
  });

  it.each([
    [TCP, 'rejected with a TCP reset: service without endpoint'],
    [UDP, 'rejected with an ICMP error (port unreachable): service without endpoint'],
  ])('a service without endpoints refuses (protocol %i)', async (protocol, summary) => {
    await node.want(aService('web', 10, [], { protocol: protocol === TCP ? 'TCP' : 'UDP' }));
    const answer = await node.ask('default/web');
    expect(answer).toMatchObject({ verdict: REJECTED, summary, received: undefined });
    expect(answer.remedy).toContain('needs an endpoint: a ready pod that its selector selects');
    expect(textsOf(answer).join()).toContain(', which has no endpoint');
  });

  it('endpoints on other nodes only are not used under traffic policy Local', async () => {
    await node.want(aService('web', 10, [], { hasEndpointsElsewhere: true }));
    expect(await node.ask('default/web')).toMatchObject({
      verdict: DROPPED,
      summary: 'dropped: service without endpoint on this node',
      remedy: expect.stringContaining('traffic policy Cluster'),
    });
  });

  it('a port that a service does not have is refused', async () => {
    await node.want(aService('web', 10, [2]));
    const answer = await node.ask('default/web', { port: 81 });
    expect(answer).toMatchObject({
      verdict: REJECTED,
      summary: 'rejected with a TCP reset: port that no service has',
      remedy: 'a service with the address 10.96.0.10 needs a port tcp 81; there is tcp 80',
    });
    expect(textsOf(answer)).toContain(
      '10.96.0.10 is the address of service default/web:/TCP, and none has tcp 81',
    );
  });

  it('a service address that no service has is dropped', async () => {
    const answer = await node.ask('10.96.0.99', { port: 80 });
    expect(answer).toMatchObject({
      verdict: DROPPED,
      summary: 'dropped: no such service address',
      remedy: 'a service needs the address 10.96.0.99',
    });
    expect(textsOf(answer)).toContain('10.96.0.99 is in a range of service addresses');
  });

  it('to another node by its route; to outside with the source of masquerade', async () => {
    const there = await node.ask('10.244.2.7', { port: 80 });
    expect(there).toMatchObject({
      verdict: DELIVERED,
      summary: 'delivered: leaves the node for 10.244.2.7:80 by the route 10.244.2.0/24 (mem9)',
      receiver: undefined,
      received: { source: { address: '10.244.1.1' } },
    });
    const outside = await node.ask('198.51.100.1', { port: 443 });
    expect(outside).toMatchObject({ verdict: DELIVERED, received: { source: { address: '192.0.2.1' } } });
    expect(textsOf(outside)).toContain(
      '198.51.100.1 is behind the route 0.0.0.0/0 (mem9), which masquerades pods',
    );
    expect(textsOf(outside).join()).toContain('(masquerade)');
  });

  it('to the node, and to what neither a pod nor a route has', async () => {
    expect(await node.ask('10.244.1.254', { protocol: ICMP })).toMatchObject({
      verdict: DELIVERED,
      summary: "delivered to the node's kernel, for 10.244.1.254",
    });
    await node.want(aNode());
    const answer = await node.ask('10.244.1.99', { port: 80 });
    expect(answer).toMatchObject({
      verdict: DELIVERED,
      summary: "delivered to the node's kernel, for 10.244.1.99:80",
    });
    expect(textsOf(answer)).toContain(
      'no pod of this node and no route has 10.244.1.99: it is left to the node',
    );
  });

  it('SCTP, and ping', async () => {
    for (const more of [{ protocol: 132, port: 80 }, { protocol: ICMP }])
      expect(await node.ask('default/pod-2', more)).toMatchObject({ verdict: DELIVERED });
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
    await node.want(
      aService('two', 10, [2]),
      aService('two', 10, [2], {
        ...{ portName: 'dns', protocol: 'UDP' },
        frontends: [{ address: ipv4('10.96.0.10'), port: 53 }],
      }),
      aService('pod-3', 11, [2]),
    );
    await expect(node.ask(to, more)).rejects.toMatchObject({
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
    await expect(node.ask(to, { from, port: 80 })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringMatching(message),
    });
  });

  it('a kind tells a pod from a service of the same name', async () => {
    await node.want(aService('pod-3', 11, [2]));
    expect(await node.ask('pod/default/pod-3', { port: 80 })).toMatchObject({
      sent: { destination: { address: '10.244.1.3' } },
    });
    expect(await node.ask('service/default/pod-3')).toMatchObject({
      sent: { destination: { address: '10.96.0.11' } },
    });
  });
});

describe('what cannot be told', () => {
  it('without a target, or a pod that is not in it', async () => {
    const late: PodObject = aPod(4);
    node.core.controller.upsert(late);
    await node.core.settled();
    await expect(node.ask('default/pod-2', { from: 'default/pod-4', port: 80 })).rejects.toMatchObject({
      code: 'TARGET_UNAVAILABLE',
      message: expect.stringContaining('pod default/pod-4 is not in the device: InterfaceUnknown'),
    });
    node.core.detach();
    await expect(node.ask('default/pod-2', { port: 80 })).rejects.toMatchObject({
      code: 'TARGET_UNAVAILABLE',
    });
  });

  it('without what the target has learned: that is noted, and a new flow is traced', async () => {
    node.session = {
      write: () => Promise.resolve(),
      // biome-ignore lint/correctness/useYield: it fails before there is anything
      async *read() {
        throw new P4rtError('UNIMPLEMENTED', 'no learned entries', { details: RPC });
      },
    };
    const answer = await node.ask('default/pod-2', { port: 80, sourcePort: 40_000 });
    expect(answer).toMatchObject({ verdict: DELIVERED, flow: undefined });
    expect(answer.notes).toEqual([expect.stringContaining('flows that exist are left out of account')]);
  });

  it('with a pipeline that nothing is known of', async () => {
    const { tracing: _, ...others } = coreDriver;
    const request = { from: 'default/pod-1', to: 'default/pod-2', port: 80, protocol: 0, sourcePort: 0 };
    await expect(node.tracer(others).trace(request)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
});
