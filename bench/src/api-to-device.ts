/**
 * From the Kubernetes API to the device, with every process real: API server, infra-agent, infra-manager, softswitch. Prints
 * what 10,000 services with 100,000 endpoints cost. As root, after `make build`. What the change of one EndpointSlice takes
 * is measured in its two halves by `k8s-api-scale` and `manager-scale`.
 */
import { readFileSync } from 'node:fs';
import { endpointSlice, eventually, service, Testbed } from '@infra-offload/testbed';

const SERVICES = Number(process.argv[2] ?? 10_000);
const ENDPOINTS = 10;
const TICKS_PER_SECOND = 100;

function address(base: number, index: number): string {
  const value = base + index;
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
}

function bulk(): object[] {
  return Array.from({ length: SERVICES }, (_, index) => {
    const options = {
      name: `service-${index}`,
      clusterIp: address(0x0a600001, index),
      ports: [{ name: 'http', port: 80, targetPort: 8080 }],
    };
    const ips = Array.from({ length: ENDPOINTS }, (_, i) => ({
      ip: address(0x0ac80001, index * ENDPOINTS + i),
    }));
    return [service(options), endpointSlice(options, ips)];
  }).flat();
}

/** What a process has used so far. */
function usage(pid: number | undefined): { cpuSeconds: number; residentMb: number; peakMb: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kb = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0);
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { cpuSeconds: ticks / TICKS_PER_SECOND, residentMb: kb('VmRSS') / 1024, peakMb: kb('VmHWM') / 1024 };
}

const manifests = { 'bulk.json': [{ apiVersion: 'v1', kind: 'List', items: bulk() }] };
const bed = await Testbed.start({ source: 'api', tapCount: 2, manifests });
try {
  const restarted = performance.now();
  await bed.agent.stop();
  await bed.manager.stop();
  await bed.softswitch.stop();
  await bed.startSoftswitch();
  await bed.startManager();
  await bed.startAgent();
  await eventually(
    'everything is programmed',
    async () => {
      const { target, programmed, pending } = await bed.client.status();
      return (target?.inSync && pending === 0 && programmed > SERVICES) || undefined;
    },
    { timeoutMs: 120_000, everyMs: 50 },
  );
  console.log(
    `${SERVICES} services x ${ENDPOINTS} endpoints, all processes started anew until programmed: ${((performance.now() - restarted) / 1000).toFixed(1)} s`,
  );
  for (const { name, pid } of [bed.agent, bed.manager, bed.softswitch]) {
    const { cpuSeconds, residentMb, peakMb } = usage(pid);
    console.log(
      `  ${name}: ${cpuSeconds.toFixed(1)} s CPU, ${residentMb.toFixed(0)} MB resident, ${peakMb.toFixed(0)} MB at most`,
    );
  }
} finally {
  await bed.stop();
}
