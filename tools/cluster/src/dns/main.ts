#!/usr/bin/env node
import { messageOf } from '@infra-offload/base';
import { ApiSource } from '@infra-offload/k8s-watch/api';
import { answer } from './answer.js';
import { DnsServer } from './server.js';
import { type Zone, zoneOf } from './zone.js';

const DOMAIN = 'cluster.local';
const PORT = 53;

async function main(): Promise<void> {
  const source = new ApiSource({
    access: { type: 'in-cluster' },
    resources: { Service: {}, EndpointSlice: {} },
    onReport: ({ type, problem }) => console.error(`${type}: ${problem.message}`),
  });
  let zone: Zone | undefined;
  const outdated = () => {
    zone = undefined;
  };
  source.services.subscribe(outdated);
  source.endpointSlices.subscribe(outdated);
  await source.start();
  const server = await DnsServer.listen(
    (query) => {
      zone ??= zoneOf(DOMAIN, source.services.values(), source.endpointSlices.values());
      return answer(DOMAIN, zone, query);
    },
    { port: PORT, host: '0.0.0.0' },
  );
  console.log(`knows ${source.services.size} services`);
  process.once('SIGTERM', () => {
    server.close();
    void source.stop();
  });
}

main().catch((error: unknown) => {
  console.error(`dns: ${messageOf(error)}`);
  process.exitCode = 1;
});
