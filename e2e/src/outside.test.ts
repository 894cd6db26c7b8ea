import { randomBytes } from 'node:crypto';
import {
  endpointSlice,
  eventually,
  NetworkNamespace,
  PodProcess,
  programs,
  type ServiceOptions,
  service,
} from '@infra-offload/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TwoNodes } from './two-nodes/two-nodes.js';

const OUTSIDE = '192.0.2.100';
const NODE_PORTS = {
  // A flow of UDP goes on with its endpoint whatever becomes of the policy, so each has ports of its own.
  Cluster: { http: 30080, dns: 30053 },
  Local: { http: 31080, dns: 31053 },
};
const EXTERNAL_IP = '203.0.113.20';
const BALANCER = '203.0.113.21';

describe.each([
  ['whose data planes share a wire', true],
  ['whose kernels forward to each other', false],
])('nodes %s, and the world outside', (_how, isPlugged) => {
  let both: TwoNodes;
  let outside: NetworkNamespace;
  let world: PodProcess;

  beforeAll(async () => {
    both = await TwoNodes.start(isPlugged);
    outside = await NetworkNamespace.create(`iof-${randomBytes(3).toString('hex')}-outside`);
    await both.wire.connect(outside, `${OUTSIDE}/24`);
    world = PodProcess.start('world', outside);
    await world.serve('tcp', 80);
    await world.serve('udp', 53);
  });
  afterAll(async () => {
    await world?.stop();
    await both?.stop();
    await outside?.remove();
  });

  it.each([0, 1])('pods of node %i reach it, and have the address of their node there', async (index) => {
    const { client, address } = both.at(index);
    for (const [protocol, port] of [
      ['tcp', 80],
      ['udp', 53],
    ] as const) {
      expect(await client.process.spread({ protocol, address: OUTSIDE, port }, 20)).toEqual({
        servers: { world: 20 },
        failures: {},
        clientAddresses: [address],
      });
    }
    const ping = await client.namespace.must('ping', ['-c', '3', '-i', '0.1', '-W', '2', OUTSIDE]);
    expect(ping).toContain('3 received');
  });

  it('the node has its own connections there beside them, from any port', async () => {
    const { client, host, address } = both.at(0);
    const target = { protocol: 'udp', address: OUTSIDE, port: 53, localPort: 40_000 } as const;
    for (const process of [host, client.process]) {
      const { servers, failures, clientAddresses } = await process.spread(target, 1);
      expect({ servers, failures, clientAddresses }).toEqual({
        servers: { world: 1 },
        failures: {},
        clientAddresses: [address],
      });
    }
  });

  describe.each(['Cluster', 'Local'] as const)('with externalTrafficPolicy %s', (policy) => {
    const ports = NODE_PORTS[policy];
    const shop: ServiceOptions = {
      name: 'shop',
      clusterIp: '10.96.0.20',
      ports: [
        { name: 'http', port: 80, targetPort: 8080, nodePort: ports.http },
        { name: 'dns', port: 53, targetPort: 5353, protocol: 'UDP', nodePort: ports.dns },
      ],
    };
    const to = (address: string, port: number, protocol: 'tcp' | 'udp' = 'tcp') =>
      ({ protocol, address, port }) as const;

    beforeAll(async () => {
      const spec = {
        type: 'LoadBalancer',
        externalTrafficPolicy: policy,
        externalIPs: [EXTERNAL_IP],
        loadBalancerSourceRanges: ['192.0.2.96/28'],
      };
      await both.apply('shop.yaml', [
        { ...service({ ...shop, spec }), status: { loadBalancer: { ingress: [{ ip: BALANCER }] } } },
        endpointSlice(
          shop,
          both.nodes.map(({ pod }, i) => ({ ip: pod.ip, nodeName: `node-${i + 1}` })),
        ),
      ]);
      const all = both.nodes.map(({ pod }) => pod.ip);
      for (const { bed, pod } of both.nodes) {
        for (const port of ['http', 'dns']) {
          const [object, endpoints] = policy === 'Local' ? [`${port}.external`, [pod.ip]] : [port, all];
          await bed.balanced(`default/shop:${object}/${port === 'http' ? 'TCP' : 'UDP'}`, endpoints);
        }
        await eventually('the kernel has the node ports', async () => {
          const rules = await bed.node.run('nft', ['list', 'table', 'ip', 'infra-offload']);
          return rules.stdout.includes(`tcp . ${ports.http}`) || undefined;
        });
      }
      for (const [i, address] of [EXTERNAL_IP, BALANCER].entries())
        await outside.must('ip', ['route', 'replace', address, 'via', `192.0.2.${i + 1}`]);
    });

    it.each([0, 1])('node ports of node %i', async (index) => {
      const { address } = both.at(index);
      for (const target of [to(address, ports.http), to(address, ports.dns, 'udp')]) {
        const { servers, failures, clientAddresses } = await world.spread(target, 60);
        expect(failures).toEqual({});
        if (policy === 'Local') {
          expect(Object.keys(servers)).toEqual([`pod-${index + 1}`]);
          expect(clientAddresses).toEqual([OUTSIDE]);
        } else {
          expect(Object.keys(servers).sort()).toEqual(['pod-1', 'pod-2']);
          // Pods of the node that was asked see the client, the others that node or its data plane.
          const seen = isPlugged ? `10.244.${index + 1}.0` : address;
          expect([...clientAddresses].sort()).toEqual([OUTSIDE, seen].sort());
        }
      }
    });

    it('external addresses, and those of load balancers for whom they are meant', async () => {
      for (const [i, address] of [EXTERNAL_IP, BALANCER].entries()) {
        const { servers, failures, clientAddresses } = await world.spread(to(address, 80), 60);
        expect(failures).toEqual({});
        expect(Object.keys(servers).sort()).toEqual(
          policy === 'Local' ? [`pod-${i + 1}`] : ['pod-1', 'pod-2'],
        );
        expect(clientAddresses).toContain(OUTSIDE);
      }
      await outside.must('ip', ['address', 'add', '192.0.2.200/24', 'dev', 'eth0']);
      await outside.must('ip', ['route', 'replace', BALANCER, 'via', '192.0.2.2', 'src', '192.0.2.200']);
      const refused = await world.spread(to(BALANCER, 80), 2, 400);
      expect(refused.servers).toEqual({});
      await outside.must('ip', ['address', 'delete', '192.0.2.200/24', 'dev', 'eth0']);
    });

    it.each([0, 1])('all of them from node %i itself and its pods', async (index) => {
      const { host, client, address } = both.at(index);
      const other = both.at(1 - index).address;
      for (const target of [to(address, ports.http), to(other, ports.http)])
        for (const process of [host, client.process]) {
          const { servers, failures } = await process.spread(target, 60);
          expect(failures).toEqual({});
          // At its own address, no traffic policy counts for the node itself.
          const isOwn = process === host && target.address === address;
          expect(Object.keys(servers).length).toBeGreaterThanOrEqual(policy === 'Local' && !isOwn ? 1 : 2);
        }
      const pods = await client.process.spread(to(EXTERNAL_IP, 80), 60);
      expect(pods.failures).toEqual({});
    });
  });

  it('a default-deny policy lets the node in, from whichever of its addresses', async () => {
    const { bed, pod, host, client } = both.at(0);
    await bed.node.must('ip', ['address', 'add', '198.51.100.1/32', 'dev', 'lo']);
    await both.apply('deny.yaml', [
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { namespace: 'default', name: 'deny' },
        spec: { podSelector: {}, policyTypes: ['Ingress'] },
      },
    ]);
    const target = { protocol: 'tcp', address: pod.ip, port: 8080 } as const;
    await eventually('pods are kept out', async () => {
      return Object.keys((await client.process.spread(target, 1, 300)).servers).length === 0 || undefined;
    });
    expect((await host.spread(target, 3)).servers).toEqual({ 'pod-1': 3 });
    await bed.node.must('ip', [
      'route',
      'add',
      `${pod.ip}/32`,
      'via',
      '169.254.1.1',
      'dev',
      'P4TAP_0',
      'onlink',
      'src',
      '198.51.100.1',
    ]);
    await eventually('the node gets in from its other address', async () => {
      const { servers, clientAddresses } = await host.spread(target, 1, 300);
      return ('pod-1' in servers && clientAddresses[0] === '198.51.100.1') || undefined;
    });
  });

  it('uninstall takes the rules along', async () => {
    const { bed } = both.at(0);
    await bed.agent.stop();
    const args = [
      programs.agent,
      '--config',
      bed.layout.config('agent'),
      'uninstall',
      '--root',
      bed.layout.directory,
    ];
    await bed.node.must(process.execPath, args);
    expect(await bed.node.must('nft', ['list', 'tables'])).not.toContain('infra-offload');
    expect(await bed.node.must('ip', ['route', 'show', 'proto', '85'])).toBe('');
  });
});
