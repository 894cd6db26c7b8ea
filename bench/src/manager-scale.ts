/**
 * infra-manager at scale: a softswitch process, a manager process, and this process as the agent. Prints how fast a cold
 * start programs all services, how long the change of one EndpointSlice takes there and among few services, and what a
 * restart of the manager costs.
 *
 *   node --import tsx --conditions @infra-offload/source bench/src/manager-scale.ts [services] [endpoints]
 *
 * With MANAGER_DIST=1 the built programs (dist/cli.js) run instead of the sources.
 */
import { Protocol, type WantedObject } from '@infra-offload/infra-api';
import {
  Agent,
  cpuSeconds,
  memoryMb,
  ms,
  startManager,
  startSoftswitch,
  stop,
  stopAll,
  upsert,
} from './manager.lib.js';

const SERVICES = Number(process.argv[2] ?? 10_000);
const ENDPOINTS = Number(process.argv[3] ?? 10);
const FEW = 100;
const SLICE_CHANGES = 500;

function service(i: number, replaced = -1): WantedObject {
  return {
    object: {
      $case: 'service',
      value: {
        namespace: 'bench',
        name: `service-${i}`,
        portName: 'http',
        protocol: Protocol.PROTOCOL_TCP,
        frontends: [{ address: `10.96.${i >> 8}.${i & 255}`, port: 80 }],
        endpoints: Array.from({ length: ENDPOINTS }, (_, slot) => ({
          address: `10.${slot === replaced ? 200 : 128 + slot}.${i >> 8}.${i & 255}`,
          port: 8080,
          weight: 1,
        })),
        sessionAffinity: undefined,
        hasEndpointsElsewhere: false,
        conditions: [],
      },
    },
  };
}

/** Milliseconds from the Sync message to the answer that the change is programmed, of many changes one by one. */
async function sliceChanges(
  agent: Agent,
  services: number,
): Promise<{ readonly p50: number; readonly p99: number }> {
  const times: number[] = [];
  const warmUp = 50;
  for (let i = 0; i < SLICE_CHANGES + warmUp; i++) {
    const which = (i * 7919) % services;
    const change = [upsert(service(which, i % ENDPOINTS))];
    const began = performance.now();
    await agent.apply(change);
    if (i >= warmUp) times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  return {
    p50: times[Math.floor(times.length * 0.5)] ?? 0,
    p99: times[Math.floor(times.length * 0.99)] ?? 0,
  };
}

async function main(): Promise<void> {
  const { target, child: softswitch } = await startSoftswitch();
  let manager = await startManager(target.p4runtime, target.gnmi);
  let agent = new Agent(manager.listen);

  await agent.snapshot(Array.from({ length: FEW }, (_, i) => service(i)));
  const few = await sliceChanges(agent, FEW);
  await agent.snapshot([]);

  const objects = Array.from({ length: SERVICES }, (_, i) => service(i));
  const before = await agent.status();
  const { pid } = manager.child;
  const cpu = { manager: cpuSeconds(pid), softswitch: cpuSeconds(softswitch.pid), agent: process.cpuUsage() };
  const began = performance.now();
  await agent.snapshot(objects);
  const coldMs = performance.now() - began;
  const used = {
    manager: cpuSeconds(pid) - cpu.manager,
    softswitch: cpuSeconds(softswitch.pid) - cpu.softswitch,
    agent: process.cpuUsage(cpu.agent).user / 1e6,
  };
  const after = await agent.status();
  const entities = Number((after.target?.updatesWritten ?? 0n) - (before.target?.updatesWritten ?? 0n));
  const writes = Number((after.target?.writeRequests ?? 0n) - (before.target?.writeRequests ?? 0n));
  console.log(`cold start, ${SERVICES} services x ${ENDPOINTS} endpoints:`);
  console.log(
    `  ${entities} entities in ${writes} writes, ${ms(coldMs)}: ${Math.round((entities / coldMs) * 1000)} entities/s`,
  );
  console.log(
    `  counting members of groups: ${Math.round(((entities + SERVICES * ENDPOINTS) / coldMs) * 1000)} entities/s`,
  );
  console.log(`  degraded objects: ${after.degraded}`);
  console.log(
    `  CPU: manager ${used.manager.toFixed(2)} s, softswitch ${used.softswitch.toFixed(2)} s, this agent ${used.agent.toFixed(2)} s`,
  );
  console.log(
    `  manager: ${Math.round(memoryMb(pid, 'VmRSS'))} MB resident, ${Math.round(memoryMb(pid, 'VmHWM'))} MB at most`,
  );

  const many = await sliceChanges(agent, SERVICES);
  console.log(`one EndpointSlice changed, Sync message to programmed (${SLICE_CHANGES} times):`);
  console.log(`  among ${FEW} services: p50 ${ms(few.p50)}, p99 ${ms(few.p99)}`);
  console.log(
    `  among ${SERVICES} services: p50 ${ms(many.p50)}, p99 ${ms(many.p99)} (p50 x${(many.p50 / few.p50).toFixed(2)})`,
  );

  agent.close();
  await stop(manager.child);
  manager = await startManager(target.p4runtime, target.gnmi);
  agent = new Agent(manager.listen);
  const restarted = await agent.status();
  console.log('restart of the manager:');
  console.log(`  ready after ${ms(manager.readyMs)}, ${restarted.target?.updatesWritten} entities written`);
  console.log(
    `  programmed ${restarted.programmed}, pending ${restarted.pending}, degraded ${restarted.degraded}`,
  );
  console.log(`  manager: ${Math.round(memoryMb(manager.child.pid, 'VmRSS'))} MB resident`);
  agent.close();
}

await main();
await stopAll();
