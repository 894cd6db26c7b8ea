import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import * as z from 'zod';
import type { EndpointSlice, ObjectKind, ObjectKinds, Service } from './types.js';

const DEFAULT_AFFINITY_SECONDS = 10800;
const MAX_AFFINITY_SECONDS = 86400;

/** Kubernetes treats null and absent alike. */
function withDefault<Schema extends z.ZodType>(schema: Schema, value: z.output<Schema>) {
  return schema.nullish().transform((given): z.output<Schema> => given ?? value);
}

function listOf<Schema extends z.ZodType>(schema: Schema) {
  return z
    .array(schema)
    .nullish()
    .transform((given): z.output<Schema>[] => given ?? []);
}

function integer(min: number, max: number) {
  const message = `must be an integer from ${min} to ${max}`;
  return z.int(message).min(min, message).max(max, message);
}

/** An IP address, or one of some words. */
function ipOr(...words: readonly string[]) {
  const choices = words.map((word) => ` or "${word}"`).join('');
  return z
    .string()
    .refine((text) => isIP(text) !== 0 || words.includes(text), `must be an IP address${choices}`);
}

const name = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'must be lower case letters, digits, "-" and "."');

const namespace = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'must be lower case letters, digits and "-"');

const metadata = z.object({
  name,
  namespace: withDefault(namespace, 'default'),
  labels: withDefault(z.record(z.string(), z.string()), {}),
});

const protocol = withDefault(z.enum(['TCP', 'UDP', 'SCTP']), 'TCP');
const portNumber = integer(1, 65535);
const optionalPort = integer(0, 65535).nullish();
const portName = withDefault(
  z
    .string()
    .max(63)
    .regex(/^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$/, 'must be lower case letters, digits and "-"'),
  '',
);
const ip = ipOr();
const cidr = z.string().refine(isCidr, 'must be a CIDR, such as 10.0.0.0/8');
const trafficPolicy = withDefault(z.enum(['Cluster', 'Local']), 'Cluster');

const servicePort = z
  .object({ name: portName, protocol, port: portNumber, nodePort: optionalPort })
  .transform(({ nodePort, ...port }) => (nodePort ? { ...port, nodePort } : port));

const servicePorts = listOf(servicePort).check((context) => {
  if (context.issues.length > 0) return;
  const ports = context.value;
  const names = new Set<string>();
  const numbers = new Set<string>();
  for (const [i, port] of ports.entries()) {
    const number = `${port.port}/${port.protocol}`;
    if (ports.length > 1 && port.name === '') refuse([i, 'name'], 'is needed when there are several ports');
    else if (names.has(port.name)) refuse([i, 'name'], `'${port.name}' is the name of another port, too`);
    else if (numbers.has(number)) refuse([i, 'port'], `${number} is there twice`);
    names.add(port.name);
    numbers.add(number);
  }
  function refuse(path: PropertyKey[], message: string): void {
    context.issues.push({ code: 'custom', input: ports, path, message });
  }
});

const serviceSpec = z.object({
  type: withDefault(z.enum(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']), 'ClusterIP'),
  clusterIP: ipOr('None', '').nullish(),
  clusterIPs: listOf(ipOr('None')),
  externalIPs: listOf(ip),
  ports: servicePorts,
  internalTrafficPolicy: trafficPolicy,
  externalTrafficPolicy: trafficPolicy,
  sessionAffinity: withDefault(z.enum(['None', 'ClientIP']), 'None'),
  sessionAffinityConfig: z
    .object({
      clientIP: z.object({ timeoutSeconds: integer(1, MAX_AFFINITY_SECONDS).nullish() }).nullish(),
    })
    .nullish(),
  healthCheckNodePort: optionalPort,
  loadBalancerSourceRanges: listOf(z.string().trim().pipe(cidr)),
});

const serviceStatus = z.object({
  loadBalancer: z
    .object({
      ingress: listOf(
        z.object({
          ip: withDefault(ipOr(''), ''),
          ipMode: withDefault(z.enum(['VIP', 'Proxy']), 'VIP'),
        }),
      ),
    })
    .nullish(),
});

const serviceSchema = z
  .object({ metadata, spec: serviceSpec, status: serviceStatus.nullish() })
  .check((context) => {
    if (context.issues.length > 0) return;
    const { type, ports, clusterIP, clusterIPs } = context.value.spec;
    const headless = clusterIP === 'None' || clusterIPs[0] === 'None';
    if (ports.length > 0 || type === 'ExternalName' || headless) return;
    context.issues.push({
      code: 'custom',
      input: context.value,
      path: ['spec', 'ports'],
      message: 'a service needs at least one port',
    });
  })
  .transform(({ metadata, spec, status }): Service => {
    const timeout = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS;
    const clusterIPs = spec.clusterIPs.length > 0 ? spec.clusterIPs : spec.clusterIP ? [spec.clusterIP] : [];
    return {
      kind: 'Service',
      ...metadata,
      type: spec.type,
      clusterIPs,
      externalIPs: spec.externalIPs,
      ports: spec.ports,
      internalTrafficPolicy: spec.internalTrafficPolicy,
      externalTrafficPolicy: spec.externalTrafficPolicy,
      ...(spec.sessionAffinity === 'ClientIP' ? { clientIPAffinitySeconds: timeout } : {}),
      ...(spec.healthCheckNodePort ? { healthCheckNodePort: spec.healthCheckNodePort } : {}),
      loadBalancerSourceRanges: spec.loadBalancerSourceRanges,
      loadBalancerIngress: status?.loadBalancer?.ingress.filter((ingress) => ingress.ip !== '') ?? [],
    };
  });

const hints = listOf(z.object({ name: z.string().min(1) }).transform((hint) => hint.name));

const sliceEndpoint = z
  .object({
    addresses: z.array(z.string()).min(1).max(100),
    conditions: z
      .object({
        ready: z.boolean().nullish(),
        serving: z.boolean().nullish(),
        terminating: z.boolean().nullish(),
      })
      .nullish(),
    nodeName: z.string().nullish(),
    hints: z.object({ forNodes: hints, forZones: hints }).nullish(),
  })
  .transform(({ addresses, conditions, nodeName, hints }) => ({
    address: addresses[0] ?? '',
    ready: conditions?.ready ?? true,
    serving: conditions?.serving ?? true,
    terminating: conditions?.terminating ?? false,
    ...(nodeName ? { nodeName } : {}),
    ...(hints?.forNodes.length ? { hintedNodes: hints.forNodes } : {}),
    ...(hints?.forZones.length ? { hintedZones: hints.forZones } : {}),
  }));

// Kubernetes defaults the name to the empty one, so a nil name never gets to a node.
const slicePort = z.object({ name: portName, protocol, port: portNumber.nullish() });

const endpointSliceSchema = z
  .object({
    metadata,
    addressType: z.enum(['IPv4', 'IPv6', 'FQDN']),
    endpoints: listOf(sliceEndpoint),
    ports: listOf(slicePort),
  })
  .check((context) => {
    if (context.issues.length > 0) return;
    const { addressType, endpoints } = context.value;
    for (const [i, { address }] of endpoints.entries()) {
      const problem = addressProblem(addressType, address);
      if (problem === undefined) continue;
      context.issues.push({
        code: 'custom',
        input: address,
        path: ['endpoints', i, 'addresses', 0],
        message: problem,
      });
    }
  })
  .transform(
    ({ metadata, addressType, endpoints, ports }): EndpointSlice => ({
      kind: 'EndpointSlice',
      ...metadata,
      addressType,
      endpoints,
      ports: ports.flatMap(({ name, protocol, port }) =>
        typeof port === 'number' ? [{ name, protocol, port }] : [],
      ),
    }),
  );

/** Nobody can be reached there from another host, so Kubernetes refuses them as endpoints. */
const impossible = new BlockList();
impossible.addAddress('0.0.0.0');
impossible.addSubnet('127.0.0.0', 8);
impossible.addSubnet('169.254.0.0', 16);
impossible.addSubnet('224.0.0.0', 4);

function addressProblem(type: EndpointSlice['addressType'], address: string): string | undefined {
  switch (type) {
    case 'IPv4':
      if (!isIPv4(address)) return `'${address}' is not an IPv4 address, which addressType promises`;
      if (impossible.check(address)) return `${address} is unspecified, loopback, link-local or multicast`;
      return undefined;
    case 'IPv6':
      return isIPv6(address) ? undefined : `'${address}' is not an IPv6 address, which addressType promises`;
    case 'FQDN':
      return undefined;
    default:
      return type satisfies never;
  }
}

function isCidr(text: string): boolean {
  const [address = '', length = '', ...rest] = text.split('/');
  const bits = isIPv4(address) ? 32 : isIPv6(address) ? 128 : -1;
  return rest.length === 0 && /^\d{1,3}$/.test(length) && Number(length) <= bits;
}

interface KindSchema<Kind extends ObjectKind> {
  /** API group, empty for the core one. */
  readonly group: string;
  readonly version: string;
  readonly schema: z.ZodType<ObjectKinds[Kind]>;
}

/** How each kind that is watched is recognised and read. */
export const KIND_SCHEMAS: { readonly [Kind in ObjectKind]: KindSchema<Kind> } = {
  Service: { group: '', version: 'v1', schema: serviceSchema },
  EndpointSlice: { group: 'discovery.k8s.io', version: 'v1', schema: endpointSliceSchema },
};

export function isObjectKind(kind: string): kind is ObjectKind {
  return Object.hasOwn(KIND_SCHEMAS, kind);
}
