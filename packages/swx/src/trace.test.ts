import { expect, it } from 'vitest';
import { k8sSpec, Node } from './testing/k8s.js';
import { packet, TCP } from './testing/packets.js';
import { formatTrace, type TraceStep } from './trace.js';

const VIP = '10.96.0.10';

function service() {
  const node = new Node(k8sSpec());
  const client = node.addPod('10.244.0.1');
  const server = node.addPod('10.244.0.2');
  node.addService({ vip: VIP, port: 80, protocol: 6, endpoints: [{ ip: server.ip, port: 8080 }] });
  const l4 = { protocol: 'tcp', sourcePort: 4000, targetPort: 80, flags: TCP.syn } as const;
  return { node, client, server, syn: packet({ source: client.ip, target: VIP, l4 }) };
}

const of = <K extends TraceStep['kind']>(steps: readonly TraceStep[], kind: K) =>
  steps.filter((step): step is Extract<TraceStep, { kind: K }> => step.kind === kind);

it('tells tables, selections, learned entries and the packet that left, and runs the packet for real', () => {
  const { node, client, server, syn } = service();
  const { steps, port } = node.pipeline.trace(client.port, syn);
  expect(port).toBe(client.port);
  const tables = of(steps, 'table').map(({ table, hit, action }) => `${table} ${hit} ${action}`);
  expect(tables).toEqual([
    'flow_epoch false set_flow_epoch',
    'port_table true set_pod_port',
    'conntrack false ct_miss',
    'service true set_service',
    'endpoint_group true endpoint_group_set_group_id',
    'endpoint_selector true select_endpoint',
    'endpoint true set_endpoint',
    'policy_egress false NoAction',
    'policy_ingress false NoAction',
    'pod_forward true forward',
    // The tuple of the answers is free; both directions are learned, and found then.
    'conntrack false ct_miss',
    'conntrack false ct_miss',
    'conntrack true ct_original',
    'conntrack false ct_miss',
    'conntrack true ct_reply',
  ]);
  expect(of(steps, 'table')[3]).toMatchObject({
    key: [
      { name: 'm.local_metadata_ct_dst_ip', bits: 32, value: 0x0a60000a },
      { name: 'm.local_metadata_ct_proto', value: 6 },
      { name: 'm.local_metadata_ct_dst_port', value: 80 },
    ],
    args: [{ name: 'group_id', value: 1 }, { name: 'endpoint_base', value: 256 }, {}, {}, {}],
    entry: 1,
  });
  expect(of(steps, 'select')).toEqual([
    { kind: 'select', selector: 'endpoint_selector_sel', group: 1, member: 1 },
  ]);
  expect(of(steps, 'learn')).toMatchObject([
    {
      learner: 'conntrack',
      learned: true,
      action: 'ct_original',
      args: [{ name: 'kind', value: 0xc1 }, {}, { name: 'nat_ip', value: 0x0af40002 }, {}, {}, {}, {}],
      timeoutIndex: 1,
    },
    {
      learner: 'conntrack',
      learned: true,
      action: 'ct_reply',
      args: [{ value: 0xc2 }, {}, {}, {}, {}, {}, {}],
    },
  ]);
  const [sent] = of(steps, 'transmit');
  expect(sent?.port).toBe(server.port);
  expect(sent?.packet).toEqual(node.sent[0]?.packet);
  expect(node.pipeline.learnerCount('conntrack')).toBe(2);
});

it('tells what instructions read and wrote, and which jumps were taken', () => {
  const { node, client, syn } = service();
  const { steps } = node.pipeline.trace(client.port, syn);
  const find = (text: string) => of(steps, 'instruction').find((step) => step.text === text);
  expect(find('mov m.local_metadata_endpoint_ip t.ip')).toMatchObject({ unit: 'set_endpoint' });
  expect(find('mov h.ipv4.dst_addr m.local_metadata_to_dst_ip')).toMatchObject({
    unit: 'apply',
    operands: [{ name: 'm.local_metadata_to_dst_ip', value: 0x0af40002 }],
    result: { name: 'h.ipv4.dst_addr', value: 0x0af40002 },
  });
  expect(find('jmpeq PACKET_PARSER_PARSE_IPV4 h.ethernet.ether_type 0x800')).toMatchObject({
    taken: true,
    unit: 'apply',
  });
  expect(find('jmpeq PACKET_PARSER_PARSE_ARP h.ethernet.ether_type 0x806')).toBeUndefined();
  const line = of(steps, 'instruction')[0]?.line;
  expect(node.pipeline.spec.apply[0]?.line).toBe(line);
});

it('tells drops', () => {
  const { node, syn } = service();
  const { steps } = node.pipeline.trace(50, syn);
  expect(steps.at(-1)).toEqual({ kind: 'drop', reason: 'drop' });
  expect(node.sent).toEqual([]);
});

it('does not disturb packets that are not traced, nor keep anything of earlier traces', () => {
  const { node, client, server, syn } = service();
  const first = node.pipeline.trace(client.port, syn);
  expect(node.send(client.port, syn)[0]?.port).toBe(server.port);
  const second = node.pipeline.trace(client.port, syn);
  expect(of(second.steps, 'learn')).toEqual([]);
  expect(second.steps.length).toBeLessThan(first.steps.length);
});

it('reads as text', () => {
  const { node, client, syn } = service();
  const text = formatTrace(node.pipeline.trace(client.port, syn));
  expect(text).toContain('packet of 59 bytes on port 2');
  expect(text).toContain(
    'table port_table {m.pna_main_input_metadata_input_port=2}: hit entry 3, set_pod_port(pod_ip=0xaf40001, since=2)',
  );
  expect(text).toContain('selector endpoint_selector_sel: group 1, member 1');
  expect(text).toMatch(/learner conntrack \{.*\}: learned, ct_original\(kind=0xc1, /);
  expect(text).toContain('transmit 59 bytes to port 3');
  expect(text).toMatch(/jmpnh LABEL_\w+ {4}\[-> jump\]/);
});
