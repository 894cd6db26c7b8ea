import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DEGRADED, node, PROGRAMMED, pod, service } from './testing/agent.js';
import { ready, TestWorld } from './testing/world.js';

let world: TestWorld;
beforeEach(async () => {
  world = new TestWorld();
  await world.startTarget();
});
afterEach(async () => {
  await world.stop();
});

describe('Manager with a softswitch', () => {
  test('programs a snapshot and says so', async () => {
    const manager = await world.startManager();
    await ready(manager);
    const agent = world.agent(manager);
    await agent.snapshot(
      node(),
      { object: { $case: 'pod', value: pod(1) } },
      service('web', ['10.96.0.10:80'], ['10.244.1.1:8080', '10.244.1.2:8080*3']),
    );
    expect([...agent.statuses].map(([name, { state, reason }]) => [name, state, reason])).toEqual([
      ['node-1', PROGRAMMED, ''],
      ['c1/eth0', PROGRAMMED, ''],
      ['default/web:/TCP', PROGRAMMED, ''],
    ]);
    const entries = await agent.entries('service');
    expect(entries).toMatchObject([{ installed: true, error: '', objects: [{ name: 'default/web:/TCP' }] }]);
    const status = await agent.managerStatus();
    expect(status).toMatchObject({
      programmed: 3,
      pending: 0,
      degraded: 0,
      target: { inSync: true, primary: true },
    });
    expect(DEGRADED).toBe(3);
  });
});
