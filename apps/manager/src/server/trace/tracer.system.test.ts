import {
  PolicyAction,
  type PolicyRule,
  Protocol,
  type TraceRequest,
  type TraceResponse,
  TraceVerdict,
  type WantedObject,
} from '@infra-offload/infra-api';
import { formatIPv4 } from '@infra-offload/net';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodePacket } from '../../drivers/packet.js';
import { node, podObject, service, type TestAgent } from '../../testing/agent.js';
import { encodeFrame, TcpFlags } from '../../testing/frames.js';
import { podHost } from '../../testing/hosts.js';
import { eventually, startReady, world, worldForEachTest } from '../../testing/world.js';

const PODS = [1, 2, 3, 4];
const UPLINK = 9;
const PROTOCOLS = { tcp: 6, udp: 17, icmp: 1 } as const;
const QUESTIONS = 75;
const { TRACE_VERDICT_DELIVERED: DELIVERED, TRACE_VERDICT_REJECTED: REJECTED } = TraceVerdict;

worldForEachTest();

function allow(cidrs: readonly string[], protocol?: number, port?: number): PolicyRule {
  const range = { protocol, first: port, last: port };
  return {
    action: PolicyAction.POLICY_ACTION_ALLOW,
    peers: [{ negated: false, cidrs: [...cidrs], addressSets: [] }],
    ports: protocol === undefined ? [] : [{ match: { $case: 'range', value: range } }],
    notPorts: [],
  };
}

function policy(name: string, ingress: PolicyRule[], egress: PolicyRule[]): WantedObject {
  return { object: { $case: 'networkPolicy', value: { name, ingress, egress, conditions: [] } } };
}

function isolation(i: number, ingress?: string[], egress?: string[]): WantedObject {
  const tiers = (policies: string[] | undefined) =>
    policies && { tiers: [{ policies, defaultAction: PolicyAction.POLICY_ACTION_DENY }] };
  const value = {
    ...{ namespace: 'default', name: `pod-${i}`, conditions: [] },
    ...{ ingress: tiers(ingress), egress: tiers(egress) },
  };
  return { object: { $case: 'podIsolation', value } };
}

const route = (cidr: string, masquerade: boolean) => ({
  ...{ cidr, interfaceName: `mem${UPLINK}`, nextHopMac: '02:00:00:00:09:01', sourceMac: '02:00:00:00:09:02' },
  ...{ sourceAddress: masquerade ? '192.0.2.1' : '', masquerade },
});

const UDP = { protocol: Protocol.PROTOCOL_UDP };
const OBJECTS: readonly WantedObject[] = [
  node({ routes: [route('10.244.2.0/24', false), route('0.0.0.0/0', true)] }),
  policy('default/web', [allow(['10.244.1.1/32', '10.244.1.2/32'], 6, 8080)], []),
  policy(
    'default/out',
    [],
    [allow(['10.244.1.4/32'], 17), allow(['10.244.2.0/24']), allow(['10.244.1.2/32'], 6)],
  ),
  policy('default/none', [], []),
  isolation(2, ['default/web']),
  isolation(3, undefined, ['default/out']),
  isolation(4, ['default/none', 'default/web']),
  ...PODS.map((i) => podObject(i)),
  service('web', ['10.96.0.10:80'], ['10.244.1.1:8080', '10.244.1.2:8080', '10.244.2.5:8080']),
  service('dns', ['10.96.0.10:53'], ['10.244.1.1:53', '10.244.1.4:53'], UDP),
  service('empty', ['10.96.0.11:80'], []),
  service('far', ['10.96.0.12:80'], [], { hasEndpointsElsewhere: true }),
  service('kept', ['10.96.0.13:80'], ['10.244.1.1:8080', '10.244.1.2:8080'], {
    sessionAffinity: { timeoutSeconds: 60 },
  }),
];

type Name = keyof typeof PROTOCOLS;
interface Question {
  readonly from: number;
  readonly to: string;
  readonly protocol: Name;
  readonly port: number;
}

const question: fc.Arbitrary<Question> = fc
  .record({
    from: fc.constantFrom(...PODS),
    to: fc.constantFrom(
      ...PODS.map((i) => podHost(i).ip),
      ...['10.96.0.10', '10.96.0.11', '10.96.0.12', '10.96.0.13', '10.96.0.99'],
      ...['10.244.1.254', '10.244.1.77', '10.244.2.5', '198.51.100.7'],
    ),
    protocol: fc.constantFrom<Name>('tcp', 'udp', 'icmp'),
    port: fc.constantFrom(80, 53, 8080),
  })
  // Pods do not talk to themselves through the data plane.
  .filter(({ from, to }) => to !== podHost(from).ip);

function ask(agent: TestAgent, { from, to, protocol, port }: Question, sourcePort: number) {
  const request: TraceRequest = {
    ...{ from: `default/pod-${from}`, to, protocol: PROTOCOLS[protocol], sourcePort },
    port: protocol === 'icmp' ? 0 : port,
  };
  return new Promise<TraceResponse>((resolve, reject) => {
    agent.client.trace(request, (error, response) => (error ? reject(error) : resolve(response)));
  });
}

/** Sends the packet for real. */
function send({ from, to, protocol, port }: Question, sourcePort: number, flags: number) {
  const { mac, ip } = podHost(from);
  const { ports } = world;
  for (const { number } of ports.list()) ports.drain(number);
  const dstPort = protocol === 'icmp' ? sourcePort : port;
  ports.send(
    from,
    encodeFrame({
      ...{
        protocol,
        src: ip,
        dst: to,
        srcPort: sourcePort,
        dstPort,
        srcMac: mac,
        dstMac: '02:00:00:00:00:01',
      },
      flags: protocol === 'icmp' ? 8 : flags,
    }),
  );
  return ports
    .list()
    .flatMap(({ number }) => ports.drain(number).map((packet) => ({ port: number, packet })));
}

function check(
  asked: Question,
  { verdict, received, receiver, summary }: TraceResponse,
  out: ReturnType<typeof send>,
): void {
  const what = `${JSON.stringify(asked)}: ${summary}`;
  if (verdict === DELIVERED) {
    expect(out, what).toHaveLength(1);
    const [{ port, packet } = expect.unreachable(what)] = out;
    const { source, destination } = decodePacket(packet);
    const told = ({ address, port: number }: typeof source) => ({
      address: formatIPv4(address),
      port: number,
    });
    expect({ source: told(source), destination: told(destination) }, what).toEqual({
      source: received?.source,
      destination: received?.destination,
    });
    if (receiver !== undefined) expect(`c${port}/eth0`, what).toBe(receiver.name);
  } else if (verdict === REJECTED)
    expect(
      out.map(({ port }) => port),
      what,
    ).toEqual([asked.from]);
  else expect(out, what).toEqual([]);
}

it('property: what Trace says becomes of a packet, for new flows and for those that exist', async () => {
  const { agent } = await startReady(world);
  await agent.snapshot(...OBJECTS);
  await eventually(async () => (await agent.managerStatus()).target?.inSync === true, 'everything to settle');
  let sourcePort = 20_000;
  const verdicts = new Set<string>();
  await fc.assert(
    fc.asyncProperty(question, async (asked) => {
      sourcePort++;
      const first = await ask(agent, asked, sourcePort);
      expect(first.flow).toBeUndefined();
      verdicts.add(first.summary.replace(/:.*/, ''));
      check(asked, first, send(asked, sourcePort, TcpFlags.syn));
      const second = await ask(agent, asked, sourcePort);
      expect(second.flow !== undefined, first.summary).toBe(first.verdict === DELIVERED);
      expect(second.received).toEqual(first.received);
      check(asked, second, send(asked, sourcePort, second.flow === undefined ? TcpFlags.syn : TcpFlags.ack));
    }),
    { numRuns: QUESTIONS },
  );
  expect(verdicts.size).toBeGreaterThan(5);
});
