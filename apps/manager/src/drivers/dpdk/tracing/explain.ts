import { TraceVerdict } from '@infra-offload/infra-api';
import { formatIPv4 } from '@infra-offload/net';
import { DropReason, dropReasons, HOST_PORT } from '@infra-offload/p4src';
import type { Explanation } from '../../tracing.js';
import { isDenied } from './denied.js';
import type { Facts } from './facts.js';
import { listed, portText, referenceTo, routeName, serviceName, socketText } from './names.js';
import type { Outcome } from './outcome.js';
import { policyText } from './policy-text.js';
import { stepsOf } from './steps.js';

const NOBODY = { receiver: undefined, received: undefined };

/** What a trace of `k8s_dp` says; see p4src/dpdk/README.md. */
export function explainTrace(facts: Facts): Explanation {
  const { outcome } = facts;
  return {
    steps: stepsOf(facts),
    notes: notesOf(facts),
    ...(outcome.kind === 'sent' ? arrival(outcome, facts) : failure(outcome, facts)),
  };
}

type Result = Omit<Explanation, 'steps' | 'notes'>;

function arrival({ port, tuple }: Extract<Outcome, { kind: 'sent' }>, { world }: Facts): Result {
  const { protocol, destination } = tuple;
  const socket = socketText(destination, protocol);
  const pod = world.pod(destination.address);
  const text =
    port === HOST_PORT
      ? `delivered to the node's kernel, for ${socket}`
      : pod === undefined
        ? `delivered: leaves the node for ${socket} by ${routeName(destination.address, world)}`
        : `delivered to pod ${pod.namespace}/${pod.name}, ${socket}`;
  return {
    verdict: TraceVerdict.TRACE_VERDICT_DELIVERED,
    summary: text,
    remedy: '',
    receiver: pod === undefined || port === HOST_PORT ? undefined : referenceTo(pod),
    received: tuple,
  };
}

function failure(outcome: Exclude<Outcome, { kind: 'sent' }>, facts: Facts): Result {
  const { reason } = outcome;
  const denial = (['egress', 'ingress'] as const).find((direction) => isDenied(direction, facts));
  const isPolicy = reason === DropReason.egressPolicy || reason === DropReason.ingressPolicy;
  const { text, remedy } =
    isPolicy && denial !== undefined
      ? policyText(denial, facts)
      : { text: reasonText(reason), remedy: remedyOf(reason, facts) };
  return {
    ...NOBODY,
    verdict:
      outcome.kind === 'dropped' ? TraceVerdict.TRACE_VERDICT_DROPPED : TraceVerdict.TRACE_VERDICT_REJECTED,
    summary: outcome.kind === 'dropped' ? `dropped: ${text}` : `rejected with ${outcome.answer}: ${text}`,
    remedy,
  };
}

function reasonText(reason: number): string {
  return dropReasons.find((one) => one.reason === reason)?.text ?? 'the program has not said why';
}

/** What would have to change; empty where nothing can be said. */
function remedyOf(reason: number, { question, service, world }: Facts): string {
  const { destination, protocol } = question.tuple;
  const address = formatIPv4(destination.address);
  const name = service === undefined ? 'the service' : serviceName(service);
  switch (reason) {
    case DropReason.noEndpoint:
      return `${name} needs an endpoint: a ready pod that its selector selects`;
    case DropReason.noLocalEndpoint:
      return `${name} needs an endpoint on this node, or traffic policy Cluster instead of Local`;
    case DropReason.unusedPort: {
      const ports = world
        .servicesAt(destination.address)
        .flatMap((one) =>
          one.frontends
            .filter((frontend) => frontend.address === destination.address)
            .map(({ port }) => `${one.protocol.toLowerCase()} ${port}`),
        );
      return `a service with the address ${address} needs a port ${portText(destination.port, protocol)}; there is ${listed(ports)}`;
    }
    case DropReason.blackhole:
      return `a service needs the address ${address}`;
    case DropReason.unreachable:
      return `a route to ${address} is needed`;
    case DropReason.conntrackConflict:
      return 'the pod has to use another source port';
    default:
      return '';
  }
}

function notesOf(facts: Facts): string[] {
  const { question, service } = facts;
  const isHashed = facts.hit('endpoint', 'endpoint_group') !== undefined;
  const isByClient = facts.first('endpoint', 'affinity') !== undefined;
  if (!question.isAnyPort || !isHashed || isByClient || (service?.endpoints.length ?? 0) < 2) return [];
  const { port } = question.tuple.source;
  return [`the endpoint depends on the source port, here ${port}: --source-port takes another one`];
}
