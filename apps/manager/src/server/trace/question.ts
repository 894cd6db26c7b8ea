import { didYouMean } from '@infra-offload/base';
import type { TraceRequest } from '@infra-offload/infra-api';
import { type IPv4, PROTOCOL_NUMBERS, parseIPv4, protocolName } from '@infra-offload/net';
import { hasPorts } from '@infra-offload/policy-compiler';
import type { FlowTuple } from '../../drivers/flow-table.js';
import { ManagerError } from '../../errors.js';
import { describeKey, objectKey, type PodObject, type ServiceObject } from '../../model/objects.js';

/** What can be named. */
export interface Named {
  readonly pods: readonly PodObject[];
  readonly services: readonly ServiceObject[];
}

export interface Question {
  readonly pod: PodObject;
  readonly tuple: FlowTuple;
}

/** Of a new flow, unless it is said: the first of those that Linux gives clients. */
const CLIENT_PORT = 32_768;
const MAX_PORT = 0xffff;
const MAX_PROTOCOL = 0xff;
const { TCP, ICMP } = PROTOCOL_NUMBERS;

/**
 * The packet that a request is about.
 *
 * @throws ManagerError INVALID_OBJECT, NOT_FOUND
 */
export function questionOf(request: TraceRequest, named: Named): Question {
  const { port, sourcePort, protocol } = request;
  for (const [field, value] of Object.entries({ port, source_port: sourcePort }))
    if (value > MAX_PORT) throw invalid(`${field}: ${value} is not in 0..${MAX_PORT}`);
  if (protocol > MAX_PROTOCOL) throw invalid(`protocol: ${protocol} is not in 0..${MAX_PROTOCOL}`);
  const pod = findPod('from', request.from, named);
  const to = destinationOf(request, named);
  const known = to.protocol === ICMP || hasPorts(to.protocol);
  if (!known) throw invalid(`protocol: ${to.protocol} is none of tcp, udp, sctp and icmp`);
  const source = { address: pod.ip, port: sourcePort === 0 ? CLIENT_PORT : sourcePort };
  if (to.protocol === ICMP) {
    if (port !== 0) throw invalid('port: ICMP has no ports');
    return {
      pod,
      tuple: { protocol: ICMP, source, destination: { address: to.address, port: source.port } },
    };
  }
  if (to.port === 0) throw invalid(`port: ${nameOf(to.protocol)} needs one`);
  return {
    pod,
    tuple: { protocol: to.protocol, source, destination: { address: to.address, port: to.port } },
  };
}

interface Destination {
  readonly address: IPv4;
  readonly port: number;
  readonly protocol: number;
}

function destinationOf({ to, port, protocol }: TraceRequest, named: Named): Destination {
  const plain = { port, protocol: protocol === 0 ? TCP : protocol };
  const address = parseIPv4(to);
  if (address !== undefined) return { address, ...plain };
  const [, kind, name = ''] = /^(?:(pod|service)\/)?([^/]*\/[^/]*)$/.exec(to) ?? [];
  const pod = kind === 'service' ? undefined : named.pods.find((one) => fullName(one) === name);
  const services = kind === 'pod' ? [] : named.services.filter((one) => fullName(one) === name);
  if (pod !== undefined && services.length > 0)
    throw invalid(`to: there are a pod and a service ${name}: say pod/${name} or service/${name}`);
  if (pod !== undefined) return { address: pod.ip, ...plain };
  if (services.length > 0) return portOf(services, port, protocol);
  if (kind === 'pod') return { address: findPod('to', name, named).ip, ...plain };
  const known = [...named.pods, ...named.services].map(fullName);
  throw new ManagerError(
    'NOT_FOUND',
    `to: there is no service, and no pod of this node, "${to}"; ${didYouMean(name, known)}; pods of other nodes are named by their address`,
  );
}

/** The port of a service that is meant, or one that none of its ports is. */
function portOf(services: readonly ServiceObject[], port: number, protocol: number): Destination {
  const all = services.flatMap((service) =>
    service.frontends
      .slice(0, 1)
      .map((frontend) => ({ ...frontend, protocol: PROTOCOL_NUMBERS[service.protocol] })),
  );
  const [first] = all;
  const [service] = services;
  if (first === undefined || service === undefined)
    throw invalid(`to: ${services.map((one) => describeKey(objectKey(one))).join(', ')} has no address`);
  const fitting = all.filter(
    (one) => (port === 0 || one.port === port) && (protocol === 0 || one.protocol === protocol),
  );
  const [only, ...more] = fitting;
  if (only !== undefined && more.length === 0) return only;
  if (only === undefined && (port !== 0 || protocol === ICMP))
    return { address: first.address, port, protocol: protocol === 0 ? TCP : protocol };
  const ports = all.map((one) => `${nameOf(one.protocol)} ${one.port}`).join(', ');
  throw invalid(`port: service ${fullName(service)} has ${ports}: say port and protocol`);
}

function findPod(field: string, name: string, { pods }: Named): PodObject {
  const pod = pods.find((one) => fullName(one) === name);
  if (pod !== undefined) return pod;
  throw new ManagerError(
    'NOT_FOUND',
    `${field}: there is no pod "${name}" on this node; ${didYouMean(name, pods.map(fullName))}`,
  );
}

function fullName({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}

function nameOf(protocol: number): string {
  return (protocolName(protocol) ?? `${protocol}`).toLowerCase();
}

function invalid(message: string): ManagerError {
  return new ManagerError('INVALID_OBJECT', message);
}
