import type { ManagerReason } from '@infra-offload/infra-api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManagerError } from '../errors.js';
import { condition } from '../model/condition.js';
import { pod } from '../testing/agent.js';
import { aPod, Core, coreDriver } from '../testing/core.js';
import { CoreServer } from '../testing/core-server.js';

const never = new AbortController().signal;
const KEY = 'pod/c1/eth0';

let server: CoreServer;
beforeEach(async () => {
  server = await CoreServer.start();
});
afterEach(() => server.stop());

const attached = () => server.core.attach();
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => (ManagerError.is(error) ? { code: error.code, message: error.message } : error),
  );

describe('AddPod', () => {
  it('answers with the port when the pod is stored and in the device', async () => {
    await attached();
    let store: () => void = () => undefined;
    server.stored = () =>
      new Promise<void>((resolve) => {
        store = resolve;
      });
    let answer: unknown;
    const adding = server.pods.add({ pod: pod(1) }, never).then((response) => {
      answer = response;
    });
    await expect.poll(() => server.core.controller.status(KEY)?.state).toBe('programmed');
    await server.core.settled();
    expect(answer).toBeUndefined();
    store();
    await adding;
    expect(answer).toEqual({ port: 1 });
  });

  it.each<[string, () => Promise<unknown> | undefined, string, RegExp]>([
    ['no pod', () => server.pods.add({ pod: undefined }, never), 'INVALID_OBJECT', /contains no pod/],
    [
      'a pod that makes no sense',
      () => server.pods.add({ pod: pod(1, { mac: '' }) }, never),
      'INVALID_OBJECT',
      /mac/,
    ],
    [
      'an interface that the target has not',
      () => {
        server.lookupPort = async () => {
          throw new ManagerError('NOT_FOUND', 'no such interface');
        };
        return server.pods.add({ pod: pod(1) }, never);
      },
      'NOT_FOUND',
      /no such interface/,
    ],
    [
      'an address that another pod has',
      () => {
        server.core.controller.upsert(aPod(2, { ip: aPod(1).ip }));
        return server.pods.add({ pod: pod(1) }, never);
      },
      'CONFLICT',
      /^pod c1\/eth0: address 10\.244\.1\.1 is held by pod c2\/eth0$/,
    ],
    [
      'a table that is full',
      () => {
        server.core.device.refuses = (row) =>
          row?.table === 'pod_forward' ? 'RESOURCE_EXHAUSTED' : undefined;
        return server.pods.add({ pod: pod(1) }, never);
      },
      'EXHAUSTED',
      /^pod c1\/eth0: TableFull: /,
    ],
    [
      'a refusal of the device',
      () => {
        server.core.device.refuses = (row) => (row?.table === 'pod_forward' ? 'INVALID_ARGUMENT' : undefined);
        return server.pods.add({ pod: pod(1) }, never);
      },
      'REJECTED',
      /^pod c1\/eth0: WriteFailed: /,
    ],
  ])('refuses %s, and keeps nothing', async (_, add, code, message) => {
    await attached();
    expect(await failure(Promise.resolve(add()))).toEqual({ code, message: expect.stringMatching(message) });
    server.core.device.refuses = () => undefined;
    expect(server.core.controller.object(KEY)).toBeUndefined();
  });

  it('refuses at once while the target is away, and when it goes', async () => {
    const away = {
      code: 'TARGET_UNAVAILABLE',
      message: expect.stringMatching(/the target is not connected/),
    };
    expect(await failure(server.pods.add({ pod: pod(1) }, never))).toEqual(away);
    await attached();
    server.lookupPort = async () => 1;
    const adding = failure(server.pods.add({ pod: pod(1) }, never));
    await expect.poll(() => server.core.controller.status(KEY)?.reason).toBe('InterfaceUnknown');
    server.core.detach();
    expect(await adding).toEqual(away);
    expect(server.core.controller.object(KEY)).toBeUndefined();
  });

  it('gives up when its caller does, and says how far it had come', async () => {
    await attached();
    server.lookupPort = async () => 1;
    const caller = new AbortController();
    const adding = failure(server.pods.add({ pod: pod(1) }, caller.signal));
    await expect.poll(() => server.core.controller.status(KEY)?.reason).toBe('InterfaceUnknown');
    caller.abort();
    expect(await adding).toEqual({
      code: 'CANCELLED',
      message:
        'it was not done in time; so far: InterfaceUnknown: the target has not reported the port of mem1 yet',
    });
    expect(server.core.controller.object(KEY)).toBeUndefined();
  });

  it('leaves a newer wish for the same pod alone when it fails', async () => {
    await attached();
    server.lookupPort = async () => 1;
    const caller = new AbortController();
    const adding = failure(server.pods.add({ pod: pod(1) }, caller.signal));
    await expect.poll(() => server.core.controller.status(KEY)?.reason).toBe('InterfaceUnknown');
    server.core.controller.upsert(aPod(1, { name: 'newer' }));
    caller.abort();
    expect(await adding).toMatchObject({ code: 'CANCELLED' });
    expect(server.core.controller.object(KEY)).toMatchObject({ name: 'newer' });
  });

  it('says when the pod was deleted meanwhile', async () => {
    await attached();
    server.lookupPort = async () => 1;
    const adding = failure(server.pods.add({ pod: pod(1) }, never));
    await expect.poll(() => server.core.controller.status(KEY)?.reason).toBe('InterfaceUnknown');
    server.core.controller.remove(KEY);
    expect(await adding).toEqual({ code: 'CANCELLED', message: 'pod c1/eth0 was deleted meanwhile' });
  });

  it('waits for the snapshot after state was lost, lest a pod be open before its isolation is known', async () => {
    await attached();
    await server.pods.add({ pod: pod(2) }, never);
    const { device } = server.core;
    server.stop();
    server = await CoreServer.start({ core: new Core({ contents: { isWhole: false } }) });
    await server.core.attach(device);
    expect(await failure(server.pods.add({ pod: pod(1) }, never))).toEqual({
      code: 'TARGET_UNAVAILABLE',
      message: expect.stringMatching(/the state of the last run was lost/),
    });
    server.core.controller.sweep(server.core.controller.beginSnapshot());
    await server.core.settled();
    expect(await server.pods.add({ pod: pod(1) }, never)).toEqual({ port: 1 });
  });

  it('makes room before it claims anything, and only for an interface that is there', async () => {
    await attached();
    server.core.controller.upsert(aPod(2, { ip: aPod(1).ip }));
    const makeRoom = () => server.core.controller.remove('pod/c2/eth0');
    server.lookupPort = async () => {
      throw new ManagerError('NOT_FOUND', 'no such interface');
    };
    expect(await failure(server.pods.attach(aPod(1), never, makeRoom))).toMatchObject({ code: 'NOT_FOUND' });
    expect(server.core.controller.object('pod/c2/eth0')).toBeDefined();
    server.lookupPort = async (name) => {
      server.core.tellPorts(name);
      return 1;
    };
    // Its port is told before anything names it; the answer comes again when it is asked for.
    const adding = server.pods.attach(aPod(1), never, makeRoom);
    await server.core.settled();
    server.core.tellPorts('mem1');
    expect(await adding).toBe(1);
  });
});

describe('DeletePod', () => {
  const remove = (attachmentId: string) => server.pods.delete({ attachmentId }, never);

  it('answers when nothing is left, also for a pod that never was', async () => {
    await attached();
    await server.pods.add({ pod: pod(1) }, never);
    await remove('c1/eth0');
    expect(server.core.controller.status(KEY)).toBeUndefined();
    expect(server.core.device.keys('pod_forward')).toEqual([]);
    await remove('c9/eth0');
    expect(await failure(remove(''))).toMatchObject({ code: 'INVALID_OBJECT' });
  });

  it('does not answer before it is stored that the pod is gone', async () => {
    await attached();
    await server.pods.add({ pod: pod(1) }, never);
    let store: () => void = () => undefined;
    server.stored = () =>
      new Promise<void>((resolve) => {
        store = resolve;
      });
    let isDone = false;
    const removing = remove('c1/eth0').then(() => {
      isDone = true;
    });
    await server.core.settled();
    expect(server.core.controller.status(KEY)).toBeUndefined();
    expect(isDone).toBe(false);
    store();
    await removing;
  });

  it('says when something may be left', async () => {
    await attached();
    await server.pods.add({ pod: pod(1) }, never);
    server.core.device.refuses = () => 'INVALID_ARGUMENT';
    expect(await failure(remove('c1/eth0'))).toEqual({
      code: 'REJECTED',
      message: expect.stringMatching(/^pod c1\/eth0: WriteFailed: /),
    });
    server.core.device.refuses = () => undefined;
    await expect.poll(() => server.core.controller.status(KEY)).toBeUndefined();
  });

  it('fails while the target is away, and goes on when it is back', async () => {
    await attached();
    await server.pods.add({ pod: pod(1) }, never);
    server.core.detach();
    expect(await failure(remove('c1/eth0'))).toMatchObject({ code: 'TARGET_UNAVAILABLE' });
    await attached();
    expect(server.core.device.keys('pod_forward')).toEqual([]);
  });
});

describe('a wish that is degraded', () => {
  const causes: readonly (readonly [ManagerReason, string])[] = [
    ['IdsExhausted', 'EXHAUSTED'],
    ['AddressConflict', 'CONFLICT'],
    ['InterfaceConflict', 'CONFLICT'],
    ['InterfaceNotFound', 'NOT_FOUND'],
    ['PortOutOfRange', 'REJECTED'],
  ];
  it.each(causes)('for %s is %s to callers', async (reason, code) => {
    server.stop();
    const driver: typeof coreDriver = {
      ...coreDriver,
      pod: () => ({ rows: [], conditions: [condition(reason, 'because')] }),
    };
    server = await CoreServer.start({ core: new Core({ driver }) });
    await attached();
    expect(await failure(server.pods.add({ pod: pod(1) }, never))).toEqual({
      code,
      message: `pod c1/eth0: ${reason}: because`,
    });
  });
});
