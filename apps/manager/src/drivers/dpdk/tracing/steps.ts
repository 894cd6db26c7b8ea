import type { ObjectReference, TableLookup, TraceStep } from '@infra-offload/infra-api';
import { formatIPv4, ipv4, POD_GATEWAY } from '@infra-offload/net';
import { DropReason, ServiceFlag } from '@infra-offload/p4src';
import type { Facts } from './facts.js';
import { STAGES, type Stage } from './lookups.js';
import { listed, portText, referenceTo, routeName, serviceName, socketText, whoHas } from './names.js';
import { policyText } from './policy-text.js';

interface Described {
  readonly text: string;
  readonly objects?: readonly ObjectReference[];
}

/** The steps of a packet in the words of Kubernetes, each with what was looked up for it. */
export function stepsOf(facts: Facts): TraceStep[] {
  return STAGES.flatMap((stage) => {
    const lookups = shownOf(
      stage,
      facts.of(stage).map(({ shown }) => shown),
    );
    const steps: TraceStep[] = [];
    if (lookups.length > 0) {
      const { text, objects = [] } = texts[stage](facts);
      steps.push({ text, objects: [...objects], lookups });
    }
    const changed = stage === 'route' ? translation(facts) : undefined;
    if (changed !== undefined) steps.push({ text: changed, objects: [], lookups: [] });
    return steps;
  });
}

/** What is learned is looked up before and after; only the outcome is of interest. */
function shownOf(stage: Stage, lookups: readonly TableLookup[]): TableLookup[] {
  const learned = stage === 'memory' ? lookups.filter((lookup) => lookup.learned) : [];
  return [...(learned.length > 0 ? learned : lookups)];
}

const texts: { readonly [stage in Stage]: (facts: Facts) => Described } = {
  port: ({ question: { pod } }) => ({
    text: `it comes in at the port of pod ${pod.namespace}/${pod.name}`,
    objects: [referenceTo(pod)],
  }),

  flow(facts) {
    if (facts.hit('flow', 'conntrack') === undefined) return { text: 'it belongs to no flow that is known' };
    const { flow } = facts.question;
    const state = flow === undefined || flow.state === '' ? '' : `, which is ${flow.state}`;
    return { text: `it belongs to a flow${state}${facts.has('service') ? ', and begins it anew' : ''}` };
  },

  service(facts) {
    const { destination, protocol } = facts.question.tuple;
    const socket = socketText(destination, protocol);
    const found = facts.hit('service', 'service');
    if (found === undefined) return { text: `${socket} is no service` };
    const flags = found.args.flags ?? 0;
    const isElsewhere = (flags & ServiceFlag.notLocal) !== 0;
    const without = isElsewhere ? ', which has endpoints on other nodes only' : ', which has no endpoint';
    const { service } = facts;
    return {
      text: `${socket} is ${service === undefined ? 'a service' : serviceName(service)}${
        (flags & ServiceFlag.noEndpoints) === 0 ? '' : without
      }`,
      objects: service === undefined ? [] : [referenceTo(service)],
    };
  },

  endpoint(facts) {
    const { protocol } = facts.question.tuple;
    const asked = facts.of('endpoint').filter(({ table }) => table === 'endpoint');
    const found = asked.at(-1);
    if (found?.hit !== true) return { text: 'no endpoint takes new connections' };
    const address = ipv4(found.args.ip ?? 0);
    const pod = facts.world.pod(address);
    const chosen = socketText({ address, port: found.args.port ?? 0 }, protocol);
    const others = facts.service?.endpoints.map((one) => socketText(one, protocol)) ?? [];
    // The endpoint of a client that is known is looked up first, and is the only one that is if it is still there.
    const how =
      facts.hit('endpoint', 'affinity') !== undefined && asked.length === 1
        ? 'which keeps this client (ClientIP affinity)'
        : `chosen among ${others.length}: ${listed(others)}`;
    return {
      text: `the endpoint is ${chosen}${pod === undefined ? '' : ` of ${whoHas(address, facts.world)}`}, ${how}`,
      objects: pod === undefined ? [] : [referenceTo(pod)],
    };
  },

  egress: (facts) => policyText('egress', facts),
  ingress: (facts) => policyText('ingress', facts),

  route(facts) {
    const { world } = facts;
    const address = ipv4(facts.of('route')[0]?.key[0] ?? 0);
    const forward = facts.hit('route', 'pod_forward');
    if (forward !== undefined) {
      const pod = world.pod(address);
      const text = `${whoHas(address, world)} is at port ${forward.args.port} of this node`;
      return { text, objects: pod === undefined ? [] : [referenceTo(pod)] };
    }
    const destination = formatIPv4(address);
    switch (facts.hit('route', 'route_table')?.action) {
      case 'set_nexthop':
        return { text: `${destination} is behind ${routeName(address, world)}` };
      case 'masquerade_nexthop':
        return { text: `${destination} is behind ${routeName(address, world)}, which masquerades pods` };
      case 'blackhole':
        return { text: `${destination} is in a range of service addresses` };
      case 'unreachable':
        return { text: `a route says that ${destination} is unreachable` };
      default:
        return { text: `no pod of this node and no route has ${destination}: it is left to the node` };
    }
  },

  refusal(facts) {
    const { destination, protocol } = facts.question.tuple;
    const address = formatIPv4(destination.address);
    if (facts.hit('refusal', 'service_address') === undefined)
      return { text: `no service has the address ${address}` };
    const services = facts.world.servicesAt(destination.address);
    const { outcome } = facts;
    const isUnused = outcome.kind !== 'sent' && outcome.reason === DropReason.unusedPort;
    const which = isUnused ? `, and none has ${portText(destination.port, protocol)}` : '';
    return {
      text: `${address} is the address of ${listed(services.map(serviceName))}${which}`,
      objects: services.map(referenceTo),
    };
  },

  memory: (facts) => ({
    text:
      facts.hit('flow', 'conntrack') === undefined || facts.has('service')
        ? 'both directions of the flow are remembered'
        : 'both directions of the flow are refreshed',
  }),

  answer(facts) {
    const source = facts.hit('answer', 'answer_source');
    const from = source === undefined ? 'the destination' : formatIPv4(ipv4(source.args.ip ?? 0));
    return {
      text:
        facts.outcome.kind === 'rejected'
          ? `it is answered (ICMP errors come from ${from})`
          : 'it is not answered',
    };
  },
};

/** How the packet is changed, and why its source is. */
function translation({ question, outcome }: Facts): string | undefined {
  if (outcome.kind !== 'sent') return undefined;
  const { tuple: before } = question;
  const { tuple: after } = outcome;
  const [was, is] = [before, after].map(
    ({ source, destination, protocol }) =>
      `${socketText(source, protocol)} -> ${socketText(destination, protocol)}`,
  );
  if (was === is) return undefined;
  const { address } = after.source;
  const isOwn = address === before.source.address || question.flow !== undefined;
  const why =
    address === POD_GATEWAY ? ' (the pod is its own endpoint: answers must come back here)' : ' (masquerade)';
  return `${was} becomes ${is}${isOwn ? '' : why}`;
}
