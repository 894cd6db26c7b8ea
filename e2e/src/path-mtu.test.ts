import {
  NetworkNamespace,
  PodProcess,
  type ServiceOptions,
  scaleService,
  Testbed,
  type TestPod,
} from '@infra-offload/testbed';
import { afterAll, beforeAll, expect, it } from 'vitest';

/** Its endpoint is behind a router, whose way there takes less than pods may send. */
const REMOTE: ServiceOptions = {
  name: 'remote',
  clusterIp: '10.96.0.20',
  ports: [{ port: 80, targetPort: 8080 }],
};
const SERVER = '192.0.2.2';
const ROUTER = '192.0.2.1';
const PATH_MTU = 800;
/** Many segments that the path does not take whole. */
const ENOUGH_BYTES = 10_000;

let bed: Testbed;
let outside: NetworkNamespace | undefined;
let server: PodProcess | undefined;
let client: TestPod;

beforeAll(async () => {
  bed = await Testbed.start();
  const { node } = bed;
  outside = await NetworkNamespace.create(`${node.name}-outside`);
  for (const [namespace, command] of [
    [node, `link add outside type veth peer name eth0 netns ${outside.name}`],
    [node, `address add ${ROUTER}/24 dev outside`],
    [node, 'link set outside up'],
    [outside, `address add ${SERVER}/24 dev eth0`],
    [outside, 'link set eth0 up'],
    [outside, `route add default via ${ROUTER}`],
    [node, `route add ${SERVER} dev outside mtu lock ${PATH_MTU}`],
  ] as const)
    await namespace.must('ip', command.split(' '));
  await node.must('sysctl', ['-q', 'net.ipv4.ip_forward=1']);
  server = PodProcess.start('outside', outside);
  await server.serve('tcp', 8080);
  client = await bed.addPod('client');
  await scaleService(bed, REMOTE, [{ ip: SERVER }]);
  await bed.inSync();
});

afterAll(async () => {
  await server?.stop();
  await bed?.stop();
  await outside?.remove();
});

it('a client of a service learns what the path to its endpoint takes', async () => {
  const target = { protocol: 'tcp', address: REMOTE.clusterIp, port: 80 } as const;
  const { bytes } = await client.process.transfer(target, 1_000);
  expect(bytes).toBeGreaterThan(ENOUGH_BYTES);
  const route = await client.namespace.must('ip', ['route', 'get', REMOTE.clusterIp]);
  expect(route).toContain(`mtu ${PATH_MTU}`);
});
