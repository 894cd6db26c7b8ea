import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, Testbed, type TestPod } from '@infra-offload/testbed';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  allowClients,
  changeClients,
  clients,
  endpoint,
  FakeFelix,
  IN_SYNC,
  passClients,
  policy,
  profile,
  removeEndpoint,
} from './felix/fake-felix.js';

/** Calico's policies on a node: Felix and its driver, agent, manager, softswitch, pods; connections are real. */
let directory: string;
let socket: string;
let bed: Testbed;
let felix: FakeFelix;
let web: TestPod;
let friend: TestPod;
let stranger: TestPod;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'felix-'));
  socket = join(directory, 'felix-dataplane.sock');
  bed = await Testbed.create({ tapCount: 6, agent: { networkPolicy: 'felix', felix: { socket } } });
  // Its driver waits for the agent, and the agent for what Felix says.
  felix = new FakeFelix(socket);
  felix.say(IN_SYNC);
  await bed.startAll();
  web = await bed.addPod('web');
  friend = await bed.addPod('friend');
  stranger = await bed.addPod('stranger');
  for (const port of [80, 81]) await web.process.serve('tcp', port);
});

afterAll(async () => {
  await felix?.stop();
  await bed?.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** Whether a new connection to the web server is answered. */
async function reaches(from: TestPod, port = 80): Promise<boolean> {
  const target = { protocol: 'tcp' as const, address: web.ip, port };
  const { servers } = await from.process.spread(target, 1, 300);
  return servers[web.name] === 1;
}

/** Waits until exactly these get through: `friend:80`, for instance. */
async function isOpenTo(...expected: readonly string[]): Promise<void> {
  await eventually(`web is open to [${expected}]`, async () => {
    const asked = [friend, stranger].flatMap((from) => [80, 81].map((port) => ({ from, port })));
    const answers = await Promise.all(
      asked.map(async ({ from, port }) => ((await reaches(from, port)) ? [`${from.name}:${port}`] : [])),
    );
    const open = answers.flat().sort().join();
    if (open !== [...expected].sort().join()) throw new Error(`it is open to [${open}]`);
    return true;
  });
}

/** What Felix says when it starts. */
function sayEverything(to: FakeFelix, port: number): void {
  to.say(clients(friend.ip), profile, policy('default', 'web', allowClients(port)));
  to.say(endpoint('web', web.ip, { default: 'web' }));
  to.say(endpoint('friend', friend.ip), endpoint('stranger', stranger.ip));
}

it('a pod is closed until Felix has told its endpoint', async () => {
  expect(await reaches(friend)).toBe(false);
  felix.say(profile, endpoint('friend', friend.ip), endpoint('stranger', stranger.ip));
  expect(await reaches(friend)).toBe(false);
  felix.say(endpoint('web', web.ip));
  await isOpenTo('friend:80', 'friend:81', 'stranger:80', 'stranger:81');
});

it('policies, sets and tiers hold as Felix changes them', async () => {
  sayEverything(felix, 80);
  await isOpenTo('friend:80');
  felix.say(changeClients([stranger.ip], [friend.ip]));
  await isOpenTo('stranger:80');
  felix.say(policy('first', 'pass', passClients), clients(friend.ip, stranger.ip));
  felix.say(endpoint('web', web.ip, { first: 'pass', default: 'web' }));
  await isOpenTo('friend:80', 'stranger:80');
  felix.say(clients(friend.ip), endpoint('web', web.ip, { first: 'pass' }));
  await isOpenTo('friend:80', 'friend:81');
  sayEverything(felix, 80);
  await isOpenTo('friend:80');
});

it('a Felix that starts anew changes nothing before it has said everything', async () => {
  await felix.stop();
  felix = new FakeFelix(socket);
  sayEverything(felix, 81);
  for (let i = 0; i < 5; i++) await isOpenTo('friend:80');
  felix.say(IN_SYNC);
  await isOpenTo('friend:81');
});

it('without Felix, and while the agent starts anew, policies stay in force', async () => {
  await felix.stop();
  await isOpenTo('friend:81');
  await bed.agent.stop('SIGKILL');
  await isOpenTo('friend:81');
  felix = new FakeFelix(socket);
  const started = bed.startAgent();
  for (let i = 0; i < 3; i++) await isOpenTo('friend:81');
  sayEverything(felix, 80);
  felix.say(IN_SYNC);
  await started;
  await isOpenTo('friend:80');
});

it('a pod whose endpoint goes before it does is closed again', async () => {
  felix.say(removeEndpoint('web'));
  await isOpenTo();
  await bed.removePod(web);
  const { objects } = await bed.client.status(true);
  expect(objects.map(({ object }) => object?.name)).not.toContain('default/web');
});
