import { type EndpointOptions, endpointSlice, type ServiceOptions, service } from './manifests.js';
import type { Testbed } from './testbed.js';
import type { TestPod } from './testbed-options.js';

/** Attaches pods in which something answers wherever the endpoints of the service listen. */
export async function addServers(
  bed: Testbed,
  { ports }: ServiceOptions,
  names: readonly string[],
): Promise<TestPod[]> {
  const pods: TestPod[] = [];
  for (const name of names) {
    const pod = await bed.addPod(name);
    for (const { protocol, port, targetPort = port } of ports)
      await pod.process.serve(protocol === 'UDP' ? 'udp' : 'tcp', targetPort);
    pods.push(pod);
  }
  return pods;
}

/** Writes the manifest of a service, a file of its name, with these pods or other endpoints behind it. */
export function applyService(
  bed: Testbed,
  options: ServiceOptions,
  endpoints: readonly EndpointOptions[],
): void {
  bed.apply(`${options.name}.yaml`, [service(options), endpointSlice(options, endpoints)]);
}

/** Waits until new connections to each port of a service go to exactly these endpoints. */
export async function serviceBalanced(
  bed: Testbed,
  { namespace = 'default', name, ports }: ServiceOptions,
  endpoints: readonly EndpointOptions[],
): Promise<void> {
  const addresses = endpoints.map(({ ip }) => ip);
  for (const { name: port = '', protocol = 'TCP' } of ports)
    await bed.balanced(`${namespace}/${name}:${port}/${protocol}`, addresses);
}

/** Writes the manifest of a service, and waits until it is in force. */
export async function scaleService(
  bed: Testbed,
  options: ServiceOptions,
  endpoints: readonly EndpointOptions[],
): Promise<void> {
  applyService(bed, options, endpoints);
  await serviceBalanced(bed, options, endpoints);
}
