import { status } from '@grpc/grpc-js';
import { thrown } from '@infra-offload/base/testing';
import { entityEquals, insert, modify, multicastGroup, P4RuntimeSession, remove } from '@infra-offload/p4rt';
import type { Entity } from '@infra-offload/p4rt/proto';
import { k8sDp, k8sDpDeviceConfig, k8sDpP4Info } from '@infra-offload/p4src';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ControlledSwitch } from './controlled-switch.js';
import { P4RuntimeController } from './controller.js';
import { ControllerError } from './errors.js';
import type { ControllerEvents } from './events.js';
import type { SwitchOptions } from './options.js';
import { TestDevice } from './testing/device.js';
import { byKey, groupEntry, groupOf, member, serviceEntry, TABLES, wantedState } from './testing/wanted.js';

const SCOPE = { program: k8sDp, tables: TABLES };
const SMALL = [groupEntry(1, 2), groupOf(2, [3]), serviceEntry(80, 1), member(3, 1)];

let device: TestDevice;
let controller: P4RuntimeController;
let told: string[];

beforeEach(async () => {
  device = await TestDevice.start(SCOPE);
  controller = newController();
});
afterEach(() => {
  controller.close();
  device.server.stop();
});

/** One whose events are told. */
function newController(electionId = 1n): P4RuntimeController {
  const made = new P4RuntimeController({ electionId });
  told = [];
  for (const event of [
    'connected',
    'primary',
    'standby',
    'pipelineSet',
    'inSync',
    'repaired',
    'refused',
    'failed',
    'disconnected',
  ] as const)
    made.on(event, (...args) => told.push(`${args[0].name} ${event}`));
  return made;
}

function add(
  name = 'a',
  options: Partial<SwitchOptions> = {},
  to = controller,
  of = device,
): ControlledSwitch {
  return to.add(name, {
    ...SCOPE,
    address: of.server.address,
    deviceId: 1,
    reconnect: { initialDelayMs: 2, maxDelayMs: 20 },
    ...options,
  });
}

function once<E extends keyof ControllerEvents>(event: E, of = controller): Promise<ControllerEvents[E]> {
  return new Promise((resolve) => {
    const off = of.on(event, (...args) => {
      off();
      resolve(args);
    });
  });
}

function holds(entities: readonly Entity[], of = device): boolean {
  const wanted = byKey(entities);
  if (wanted.size !== of.entities.size) return false;
  return [...wanted].every(([key, entity]) => {
    const found = of.entities.get(key);
    return found !== undefined && entityEquals(found, entity);
  });
}

describe('a switch', () => {
  it('gets its pipeline and what is wanted, members before groups before entries, and loses it in the opposite order', async () => {
    const pipeline = { p4info: k8sDpP4Info(), deviceConfig: k8sDpDeviceConfig() };
    const added = add('a', { wanted: SMALL, pipeline });
    await once('inSync');
    expect(told).toEqual(['a connected', 'a primary', 'a pipelineSet', 'a inSync']);
    expect(device.server.pipelineSets).toHaveLength(1);
    expect(holds(SMALL)).toBe(true);
    expect([added.isInSync, added.isPrimary]).toEqual([true, true]);
    added.setWanted([]);
    await once('inSync');
    expect(device.entities.size).toBe(0);
    expect(device.violations).toEqual([]);
  });

  it('that holds it all is left alone', async () => {
    for (const entity of [...SMALL].reverse()) device.apply(insert(entity));
    device.apply(insert(SMALL[1] ?? member(9, 9)));
    device.apply(insert(SMALL[0] ?? member(9, 9)));
    add('a', { wanted: SMALL });
    await once('inSync');
    expect(device.server.writes).toEqual([]);
  });

  it('is repaired where another controller changed it', async () => {
    const added = add('a', { wanted: SMALL });
    await once('inSync');
    device.apply(modify(member(3, 2)));
    device.apply(remove(serviceEntry(80, 1)));
    device.apply(insert(serviceEntry(81, 1)));
    const repaired = once('repaired');
    const again = once('inSync');
    expect(await added.audit()).toBe(3);
    expect(await repaired).toEqual([added, 3]);
    await again;
    expect(holds(SMALL)).toBe(true);
    expect(await added.audit()).toBe(0);
  });

  it('is read every so often', async () => {
    add('a', { wanted: SMALL, auditMs: 5 });
    await once('inSync');
    let repaired = 0;
    controller.on('repaired', (_, count) => {
      repaired += count;
    });
    // What is being read at this time may have seen some of them already.
    device.entities.clear();
    await expect.poll(() => holds(SMALL)).toBe(true);
    await expect.poll(() => repaired).toBe(4);
  });

  it('that was restarted gets everything again', async () => {
    const pipeline = { p4info: k8sDpP4Info(), deviceConfig: k8sDpDeviceConfig() };
    add('a', { wanted: SMALL, pipeline });
    await once('inSync');
    told = [];
    await device.restart();
    await once('inSync');
    expect(told[0]).toBe('a disconnected');
    expect(told.slice(-4)).toEqual(['a connected', 'a primary', 'a pipelineSet', 'a inSync']);
    expect(holds(SMALL)).toBe(true);
  });

  it('is connected to whenever it comes', async () => {
    const { address } = device.server;
    device.server.stop();
    add('late', { address, wanted: SMALL });
    expect((await once('disconnected'))[1]).toMatchObject({ code: 'UNAVAILABLE' });
    await device.restart();
    await once('inSync');
    expect(holds(SMALL)).toBe(true);
  });

  it('that refuses an entity is told about, gets the others, and is asked again', async () => {
    device.refusals = Array.from({ length: 2 }, () => status.RESOURCE_EXHAUSTED);
    add('a', { wanted: [serviceEntry(80, 1), member(1, 1)] });
    const [, { kind, message }] = await once('refused');
    expect([kind, message]).toEqual(['insert', expect.stringMatching(/^\S.*: RESOURCE_EXHAUSTED refused$/)]);
    await once('inSync');
    expect(device.entities.size).toBe(2);
    expect(told.filter((event) => event === 'a refused')).toHaveLength(2);
  });

  it('whose pipeline cannot be set is told about, and asked again', async () => {
    let refuses = true;
    const { onSetPipeline } = device.server;
    device.server.onSetPipeline = (request) =>
      refuses ? { code: status.INVALID_ARGUMENT, message: 'no' } : onSetPipeline(request);
    add('a', { pipeline: { p4info: k8sDpP4Info(), deviceConfig: k8sDpDeviceConfig() } });
    expect((await once('failed'))[1]).toMatchObject({ code: 'INVALID_ARGUMENT' });
    refuses = false;
    await once('inSync');
  });

  it('has default entries, which are reset when nobody wants them any more', async () => {
    const { flow_epoch: epoch } = k8sDp.tables;
    const fallback = epoch.defaultEntry(epoch.defaultActions.set_flow_epoch({ epoch: 5, flags: 0 }));
    const added = add('a', { tables: ['flow_epoch'], wanted: [fallback] });
    await once('inSync');
    expect(holds([fallback])).toBe(true);
    expect(await added.audit()).toBe(0);
    added.setWanted([]);
    await once('inSync');
    expect(device.entities.size).toBe(0);
  });

  it('that was removed is left as it is, and tells nothing any more', async () => {
    add('a', { wanted: SMALL });
    await once('inSync');
    told = [];
    expect([controller.remove('a'), controller.remove('a')]).toEqual([true, false]);
    await expect.poll(() => device.server.controllers).toBe(0);
    expect(told).toEqual([]);
    expect(controller.switches.size).toBe(0);
    expect(holds(SMALL)).toBe(true);
    add('a', { wanted: [] });
    await once('inSync');
    expect(device.entities.size).toBe(0);
  });

  it('tells of packets and digests', async () => {
    const added = add();
    await once('inSync');
    const packet = once('packetIn');
    device.server.send({ $case: 'packet', value: { payload: Uint8Array.of(7), metadata: [] } });
    expect((await packet)[1].payload).toEqual(Buffer.from([7]));
    const digest = once('digest');
    device.server.send({ $case: 'digest', value: { digestId: 5, listId: 9n, data: [], timestamp: 0n } });
    const [of, list, acknowledge] = await digest;
    expect([of, list.digestId]).toEqual([added, 5]);
    acknowledge();
    await expect
      .poll(() => device.server.fromControllers)
      .toEqual([{ $case: 'digestAck', value: { digestId: 5, listId: 9n } }]);
  });
});

describe('several switches and controllers', () => {
  it('are kept apart', async () => {
    const other = await TestDevice.start(SCOPE);
    try {
      const [a, b] = [add('a', { wanted: SMALL }), add('b', { wanted: [member(1, 1)] }, controller, other)];
      await expect.poll(() => [a.isInSync, b.isInSync]).toEqual([true, true]);
      expect([holds(SMALL), holds([member(1, 1)], other)]).toEqual([true, true]);
      other.server.stop();
      await once('disconnected');
      a.setWanted([]);
      await once('inSync');
      expect([a.isInSync, b.isInSync]).toEqual([true, false]);
    } finally {
      other.server.stop();
    }
  });

  it('take over from each other: the standby makes the switch what it wants', async () => {
    const primary = new P4RuntimeController({ electionId: 2n });
    add('a', { wanted: SMALL }, primary);
    await once('inSync', primary);
    const added = add('a', { wanted: [member(3, 2), serviceEntry(80, 1)] });
    const [, state] = await once('standby');
    expect(state.primaryElectionId).toBe(2n);
    expect([added.isPrimary, await added.audit()]).toEqual([false, 0]);
    told = [];
    primary.close();
    await once('inSync');
    expect(told).toEqual(['a standby', 'a primary', 'a inSync']);
    expect(holds([member(3, 2), serviceEntry(80, 1)])).toBe(true);
    expect(device.violations).toEqual([]);
  });

  it('give way to one with a higher election id', async () => {
    const added = add('a', { wanted: SMALL });
    await once('inSync');
    const higher = await P4RuntimeSession.open({
      address: device.server.address,
      deviceId: 1,
      electionId: 9n,
    });
    await expect.poll(() => told.at(-1)).toBe('a standby');
    const writes = device.server.writes.length;
    added.setWanted([]);
    await added.audit();
    expect([device.server.writes.length, added.isInSync]).toEqual([writes, false]);
    higher.close();
    await once('inSync');
    expect(device.entities.size).toBe(0);
  });
});

describe('what makes no sense', () => {
  const fault = (action: () => unknown) => thrown(ControllerError, action).message;

  it('is refused, and what was wanted before still is', async () => {
    const added = add('a', { wanted: SMALL });
    expect(fault(() => add('a'))).toMatch(/there is a switch 'a' already/);
    expect(fault(() => add('b', { tables: ['servise'] }))).toMatch(/there is no table 'servise'/);
    expect(fault(() => add('b', { auditMs: 0 }))).toMatch(/auditMs of switch 'b' is 0/);
    expect(fault(() => added.setWanted([multicastGroup(1)]))).toMatch(/^multicast group 1 cannot be kept/);
    expect(fault(() => added.setWanted([member(1, 1), member(1, 2)]))).toMatch(
      /member 1 .* is wanted twice$/,
    );
    expect(fault(() => added.setWanted([groupEntry(1, 2)]))).toMatch(
      /names group:\d+:2, which is not wanted$/,
    );
    await once('inSync');
    expect(holds(SMALL)).toBe(true);
    controller.close();
    expect(fault(() => add('c'))).toBe('the controller is closed');
  });

  it('in a listener is told to others, or is a warning', async () => {
    controller.on('connected', () => {
      throw new Error('mine');
    });
    const failed = once('listenerError');
    add();
    expect(await failed).toEqual([expect.objectContaining({ message: 'mine' }), 'connected']);
  });
});

const code = fc.constantFrom(
  status.RESOURCE_EXHAUSTED,
  status.UNKNOWN,
  status.INTERNAL,
  status.UNAVAILABLE,
  status.PERMISSION_DENIED,
);
const calm = [
  fc.record({ kind: fc.constant('want' as const), entities: wantedState }),
  fc.record({ kind: fc.constant('refuse' as const), codes: fc.array(code, { maxLength: 6 }) }),
  fc.constant({ kind: 'cut' as const }),
  fc.constant({ kind: 'restart' as const }),
  fc.constant({ kind: 'wait' as const }),
];
/** Another controller writes, too. */
const foreign = fc.record({
  kind: fc.constant('foreign' as const),
  entities: wantedState,
  how: fc.constantFrom(insert, modify, remove),
});

describe('whatever happens', () => {
  it.each([
    ['nothing is written that names what is not there', calm],
    ['the switch ends as it is wanted, others writing to it as well', [...calm, foreign]],
  ])('%s', async (_, steps) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(...steps), { maxLength: 8 }), wantedState, async (course, last) => {
        const one = await TestDevice.start(SCOPE);
        const kept = new P4RuntimeController({ electionId: 1n });
        try {
          const added = add('a', { auditMs: 10 }, kept, one);
          for (const step of course) {
            if (step.kind === 'want') added.setWanted(step.entities);
            else if (step.kind === 'refuse') one.refusals.push(...step.codes);
            else if (step.kind === 'cut') one.server.cutStreams();
            else if (step.kind === 'restart') await one.restart();
            else if (step.kind === 'foreign') for (const entity of step.entities) one.apply(step.how(entity));
            else await new Promise((resolve) => setTimeout(resolve, 5));
          }
          added.setWanted(last);
          await expect.poll(() => added.isInSync && holds(last, one)).toBe(true);
          if (!steps.includes(foreign)) expect(one.violations).toEqual([]);
        } finally {
          kept.close();
          one.server.stop();
        }
      }),
      { numRuns: 25 },
    );
  });
});
