import type { Policy, Protocol, Scenario, Step } from '../scenario.js';

/** Where the pipeline differs from netfilter, and is known to: on purpose, or for as long as it has not been built. */
export interface ExpectedDifference {
  readonly name: string;
  readonly reason: string;
  readonly scenario: Omit<Scenario, 'name'>;
  /** What netfilter shows at the last step of the scenario, the first at which they differ. */
  readonly kernel: string;
  readonly pipeline: string;
}

const SERVICE = { service: true } as const;
const open = (
  protocol: Protocol,
  to: Extract<Step, { do: 'open' }>['to'],
  more: Partial<Extract<Step, { do: 'open' }>> = {},
): Step => ({ do: 'open', flow: 'a', protocol, from: 'client', to, port: 0, ...more });

const isolated = (pod: Policy['pod']): Step => ({
  do: 'policies',
  policies: [{ pod, direction: 'ingress', allow: [] }],
});

export const EXPECTED_DIFFERENCES: readonly ExpectedDifference[] = [
  {
    name: 'a pod that reaches itself through a service sees the node',
    reason: 'The gateway stands in for the pod, since it needs no address of the node.',
    scenario: { endpoints: ['client'], exactAddresses: true, steps: [open('tcp', SERVICE)] },
    kernel: 'client accepts node, port 0',
    pipeline: 'client accepts gateway, port 0',
  },
  {
    name: 'a flow that a new policy denies goes on',
    reason: 'Flows end that policies deny by now (policyChange: cut), as people expect of a policy.',
    scenario: {
      endpoints: ['web-1'],
      policyChange: 'keep',
      steps: [
        open('udp', SERVICE),
        { do: 'send', flow: 'a', side: 'server' },
        isolated('web-1'),
        { do: 'send', flow: 'a', side: 'client' },
      ],
    },
    kernel: 'web-1 receives 32 from client, port 0',
    pipeline: 'nothing',
  },
  {
    name: 'a pod with a used address gets the flows of the pod before, whatever its policies',
    reason: 'Flows end with their pods: nobody gets packets that no policy allows.',
    scenario: {
      endpoints: [],
      policyChange: 'keep',
      steps: [
        open('udp', { pod: 'web-1' }),
        { do: 'send', flow: 'a', side: 'server' },
        isolated('web-1'),
        { do: 'replace', pod: 'web-1' },
        { do: 'send', flow: 'a', side: 'client' },
      ],
    },
    kernel: 'web-1 receives 32 from client, port 0',
    pipeline: 'nothing',
  },
  {
    name: 'a port that the server has reset leads to the endpoint before, which has left',
    reason:
      'netfilter forgets a connection for a SYN after a reset by the client only. Here it is a new flow.',
    scenario: {
      endpoints: ['web-1'],
      steps: [
        open('tcp', SERVICE),
        { do: 'reset', flow: 'a', side: 'server' },
        { do: 'endpoints', pods: ['web-2'] },
        open('tcp', SERVICE, { flow: 'b' }),
      ],
    },
    kernel: 'web-1 accepts client, port 0',
    pipeline: 'web-2 accepts client, port 0',
  },
  {
    name: 'a UDP flow whose endpoint has left still has its source port, until its next packet',
    reason:
      'Flows end when they are asked about next, where kube-proxy deletes them at once: another flow gets another port meanwhile.',
    scenario: {
      endpoints: ['web-1'],
      steps: [
        open('udp', SERVICE),
        { do: 'endpoints', pods: ['web-2'] },
        open('udp', { pod: 'web-1' }, { flow: 'b' }),
      ],
    },
    kernel: 'web-1 receives 32 from client, port 0',
    pipeline: 'web-1 receives 32 from client, another port',
  },
  ...(['outside', 'client'] as const).map((from) => ({
    name: `${from} has its own address although externalTrafficPolicy is Cluster`,
    reason: 'Whoever answers on the same node needs no other address, and servers and policies see who asks.',
    scenario: {
      endpoints: ['web-1'] as const,
      exactAddresses: true as const,
      steps: [open('tcp', { ...SERVICE, at: 'nodePort' }, { from })],
    },
    kernel: 'web-1 accepts node, port 0',
    pipeline: `web-1 accepts ${from}, port 0`,
  })),
  {
    name: 'a machine outside has its own address although it comes by the ClusterIP',
    reason: 'As with externalTrafficPolicy Cluster.',
    scenario: {
      endpoints: ['web-1'],
      exactAddresses: true,
      steps: [open('tcp', SERVICE, { from: 'outside' })],
    },
    kernel: 'web-1 accepts node, port 0',
    pipeline: 'web-1 accepts outside, port 0',
  },
  ...(['outerNodePort', 'balancer'] as const).map((at) => ({
    name: `egress of a pod is judged by the address that it asks for, if that is up to the kernel: ${at}`,
    reason:
      'The kernel has addresses of the node that are not its InternalIP, and load balancers with source ranges; policy comes before. NetworkPolicy leaves it open.',
    scenario: {
      endpoints: ['web-1'] as const,
      service: { sources: ['client'] as const },
      steps: [
        {
          do: 'policies',
          policies: [{ pod: 'client', direction: 'egress', allow: [{ peers: ['web-1'] }] }],
        } as const,
        open('tcp', { ...SERVICE, at }),
      ],
    },
    kernel: 'web-1 accepts client, port 0',
    pipeline: 'nothing',
  })),
  {
    name: 'a pod that the kernel sends to another node has the address of its own there',
    reason:
      'The data plane does not know whom of the kernel it may take for a pod; the answer has to come back there.',
    scenario: {
      endpoints: ['far'],
      exactAddresses: true,
      service: { externalTrafficPolicy: 'Local' },
      steps: [open('tcp', { ...SERVICE, at: 'outerNodePort' })],
    },
    kernel: 'far accepts client, port 0',
    pipeline: 'far accepts node, any port',
  },
  {
    name: 'SCTP has no node ports',
    reason: 'The data plane does not translate ports of SCTP, whose checksum it cannot compute.',
    scenario: {
      endpoints: ['web-1'],
      steps: [open('sctp', { ...SERVICE, at: 'nodePort' }, { from: 'outside' })],
    },
    kernel: 'web-1 receives 32 from outside, port 0',
    pipeline: 'nothing',
  },
  {
    name: 'from outside, a source port leads to one address of a service at a time',
    reason:
      "The node's kernel sends all addresses of a service to one of the data plane, and is not told which endpoint that leads to: the second flow gets another port.",
    scenario: {
      endpoints: ['web-1'],
      steps: [
        open('udp', { ...SERVICE, at: 'nodePort' }, { from: 'outside' }),
        { do: 'endpoints', pods: ['web-2'] },
        open('udp', { ...SERVICE, at: 'externalIP' }, { from: 'outside', flow: 'b' }),
      ],
    },
    kernel: 'web-2 receives 32 from outside, port 0',
    pipeline: 'web-2 receives 32 from outside, another port',
  },
];
