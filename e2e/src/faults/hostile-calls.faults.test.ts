/** Bytes that are no messages, to every method of every gRPC server, and to the agent's sockets. */
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { CniDataplaneService } from '@infra-offload/cni-types/proto';
import { faultTest, mutateBytes, mutateJson, type Random, wireMessage } from '@infra-offload/faults';
import { infra, OffloadService } from '@infra-offload/infra-api';
import { gnmi, P4RuntimeService } from '@infra-offload/p4rt/proto';
import { ADDRESSES, eventually, programs, ServiceProcess, Testbed } from '@infra-offload/testbed';
import { type ClientSecurity, openClientSecurity } from '@infra-offload/tls-certs/grpc';
import { afterAll, beforeAll, expect } from 'vitest';
import { Census } from './support/census.js';
import { HostileCaller } from './support/hostile-caller.js';

/** An honest client waits no longer, whatever others do meanwhile. */
const PATIENCE_MS = 5_000;

let bed: Testbed;
let relay: ServiceProcess;
let controller: ClientSecurity;
let agent: ClientSecurity;
let atRest: Census;
const socket = (name: string) => join(bed.layout.directory, `${name}.sock`);

beforeAll(async () => {
  bed = await Testbed.start({
    tapCount: 4,
    agent: ({ directory }) => ({ calico: { listen: `unix://${join(directory, 'calico.sock')}` } }),
  });
  controller = openClientSecurity({ mode: 'mtls', ...bed.layout.identity('controller') }, 'target');
  agent = openClientSecurity({ mode: 'mtls', ...bed.layout.identity('agent') }, 'manager');
  relay = new ServiceProcess(
    'hostile-relay',
    bed.node,
    programs.relay,
    [`${socket('p4rt')}=${ADDRESSES.p4runtime}`, `${socket('gnmi')}=${ADDRESSES.gnmi}`],
    bed.layout.log('hostile-relay'),
  );
  await relay.start(async () => existsSync(socket('gnmi')));
  await eventually('a pod can be attached', async () => (await cniStatus()) === 200 || undefined);
  // Once through everything, since a program that has done nothing yet is no measure.
  await bed.removePod(await bed.addPod('first'));
  await bed.inSync();
  atRest = await Census.take(bed);
});
afterAll(async () => {
  for (const security of [controller, agent]) security?.source?.close();
  await relay?.stop();
  await bed?.stop();
});

/** The slowest answer to an honest question so far, in ms. */
function honestClient(): { ask(): Promise<void>; readonly slowestMs: number } {
  let slowestMs = 0;
  return {
    async ask() {
      const started = performance.now();
      await bed.client.status();
      expect(await cniStatus()).not.toBe(0);
      slowestMs = Math.max(slowestMs, Math.round(performance.now() - started));
      expect(slowestMs).toBeLessThan(PATIENCE_MS);
    },
    get slowestMs() {
      return slowestMs;
    },
  };
}

const cniStatus = () => post('/v1/status', Buffer.from('{}'));

/** HTTP status of the agent's CNI socket; 0 if it answered with none. */
function post(path: string, body: Uint8Array): Promise<number> {
  return new Promise((resolve) => {
    const call = request(
      { socketPath: bed.layout.cniSocket, path, method: 'POST', timeout: PATIENCE_MS },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
      },
    );
    call.on('error', () => resolve(0));
    call.end(body);
  });
}

/** All is as it was, and a pod still gets its network. */
async function unharmed(): Promise<void> {
  for (const program of [bed.agent, bed.manager, bed.softswitch])
    expect(program.running, program.name).toBe(true);
  await bed.inSync();
  const pod = await bed.addPod('after');
  await bed.removePod(pod);
  await atRest.isNow(bed);
}

const entrances = [
  {
    name: 'the manager’s agent and IPDK services',
    open: () =>
      new HostileCaller(`unix:${bed.layout.managerSocket}`, agent.credentials, [
        OffloadService,
        infra.InfraAgentService,
      ]),
  },
  {
    name: 'P4Runtime',
    open: () => new HostileCaller(`unix:${socket('p4rt')}`, controller.credentials, [P4RuntimeService]),
  },
  {
    name: 'gNMI',
    open: () => new HostileCaller(`unix:${socket('gnmi')}`, controller.credentials, [gnmi.gNMIService]),
  },
  {
    name: 'the agent’s socket for Calico',
    open: () =>
      new HostileCaller(`unix:${socket('calico')}`, credentials.createInsecure(), [CniDataplaneService]),
  },
];

for (const { name, open } of entrances) {
  faultTest(
    {
      fault: `invalid messages to every method of ${name}`,
      promise:
        'each is answered with a status or cut off; honest clients are served meanwhile; nothing is left',
      sample: 1_000,
      most: 1_000_000,
    },
    async ({ cases, random }) => {
      const caller = open();
      const honest = honestClient();
      try {
        await caller.call(cases, random, () => honest.ask());
      } finally {
        caller.close();
      }
      await unharmed();
      // Who breaks off one call after the other loses the connection, too.
      const cutOff = caller.answers.get('UNAVAILABLE') ?? 0;
      return `slowest honest answer ${honest.slowestMs} ms; ${cutOff} calls were cut off`;
    },
  );
}

faultTest(
  {
    fault: 'bodies that are no JSON, or the wrong one, to every operation of the agent’s CNI socket',
    promise: 'each is answered with an error; honest clients are served meanwhile; nothing is left',
    sample: 1_000,
    most: 1_000_000,
  },
  async ({ cases, random }) => {
    const honest = honestClient();
    const operations = ['prepare', 'attach', 'detach', 'check', 'gc', 'status', 'other'];
    let refused = 0;
    for (let index = 0; index < cases; index++) {
      const answer = await post(`/v1/${random.pick(operations)}`, cniBody(random));
      expect(answer, `case ${index}`).toBeGreaterThan(0);
      if (answer !== 200) refused++;
      if (index % 1_000 === 0) await honest.ask();
    }
    await unharmed();
    return `${refused} refused, slowest honest answer ${honest.slowestMs} ms`;
  },
);

/** What the operations take, all of it at once. */
const REQUEST = {
  ...{ containerId: 'hostile', interfaceName: 'eth0', netns: '/run/netns/none', network: 'pods' },
  ...{ pod: { namespace: 'default', name: 'hostile' }, address: '10.244.0.250', mtu: 1500 },
  ...{
    routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1' }],
    mac: '02:00:00:00:00:01',
    addresses: ['10.244.0.250'],
  },
  valid: [{ containerId: 'other', interfaceName: 'eth0' }],
};

/** A request with damages, or no request at all. */
function cniBody(random: Random): Uint8Array {
  if (random.chance(10)) return wireMessage(random);
  const text = Buffer.from(JSON.stringify(mutateJson(random, REQUEST)));
  return random.chance(20) ? mutateBytes(random, text) : text;
}
