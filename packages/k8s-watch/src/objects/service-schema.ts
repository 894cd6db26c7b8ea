import * as z from 'zod';
import {
  cidr,
  integer,
  ip,
  ipOr,
  listOf,
  metadata,
  optionalPort,
  pickLabels,
  portName,
  portNumber,
  protocol,
  trafficPolicy,
  withDefault,
} from './fields.js';
import { SERVICE_PROXY_NAME_LABEL, type Service } from './types.js';

const DEFAULT_AFFINITY_SECONDS = 10800;
const MAX_AFFINITY_SECONDS = 86400;

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
    if (ports.length > 1 && port.name === '') refuse([i, 'name'], 'is required when there are several ports');
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
  externalName: z.string().nullish(),
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

export const serviceSchema = z
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
      labels: pickLabels(metadata.labels, SERVICE_PROXY_NAME_LABEL),
      type: spec.type,
      clusterIPs,
      externalIPs: spec.externalIPs,
      ...(spec.type === 'ExternalName' && spec.externalName ? { externalName: spec.externalName } : {}),
      ports: spec.ports,
      internalTrafficPolicy: spec.internalTrafficPolicy,
      externalTrafficPolicy: spec.externalTrafficPolicy,
      ...(spec.sessionAffinity === 'ClientIP' ? { clientIPAffinitySeconds: timeout } : {}),
      ...(spec.healthCheckNodePort ? { healthCheckNodePort: spec.healthCheckNodePort } : {}),
      loadBalancerSourceRanges: spec.loadBalancerSourceRanges,
      loadBalancerIngress: status?.loadBalancer?.ingress.filter((ingress) => ingress.ip !== '') ?? [],
    };
  });
