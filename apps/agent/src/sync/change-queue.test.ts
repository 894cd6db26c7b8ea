import { Protocol, Service, type WantedObject } from '@infra-offload/infra-api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChangeQueue } from './change-queue.js';
import { keyOf, referenceOf, WantedState } from './wanted-state.js';

function service(name: string, endpoints = 1): WantedObject {
  const value = Service.fromPartial({
    namespace: 'default',
    name,
    protocol: Protocol.PROTOCOL_TCP,
    endpoints: Array.from({ length: endpoints }, (_, i) => ({ address: `10.0.0.${i % 250}`, port: i + 1 })),
  });
  return { object: { $case: 'service', value } };
}

const keyOfService = (name: string) => keyOf(referenceOf(service(name)));

/** Takes everything that is to be said now. */
function drain(queue: ChangeQueue) {
  const batches = [];
  for (let batch = queue.nextBatch('n'); batch.length > 0; batch = queue.nextBatch('n')) batches.push(batch);
  return batches;
}

describe('ChangeQueue', () => {
  it('begins with a snapshot, and puts what changes meanwhile after its end', () => {
    const wanted = new WantedState();
    for (let i = 0; i < 600; i++) wanted.upsert(service(`s${i}`));
    const queue = new ChangeQueue(wanted);
    const first = queue.nextBatch('node-1');
    expect(first[0]?.change).toEqual({ $case: 'snapshotBegin', value: { nodeName: 'node-1' } });
    expect(first.length).toBeLessThan(600);
    // One that was sent, one that was not, and a new one.
    for (const name of ['s0', 's599']) wanted.remove(referenceOf(service(name)));
    wanted.upsert(service('new'));
    for (const name of ['s0', 's599', 'new']) queue.push(keyOfService(name));
    const rest = drain(queue).flat();
    const end = rest.findIndex(({ change }) => change?.$case === 'snapshotEnd');
    expect(rest.slice(0, end).every(({ change }) => change?.$case === 'upsert')).toBe(true);
    expect(rest.slice(end + 1).map(({ change }) => change?.$case)).toEqual(['remove', 'remove', 'upsert']);
    expect(queue.isSnapshotApplied).toBe(false);
    queue.applied(queue.revision);
    expect(queue.isSnapshotApplied).toBe(true);
  });

  it('keeps messages small', () => {
    const wanted = new WantedState();
    for (let i = 0; i < 100; i++) wanted.upsert(service(`s${i}`, 5000));
    const batches = drain(new ChangeQueue(wanted));
    expect(batches.length).toBeGreaterThan(20);
    expect(batches.every((batch) => batch.length < 10)).toBe(true);
  });

  it('tells sets, policies, isolation and pods in this order, and removes them in the other', () => {
    const set = (name: string): WantedObject => ({
      object: { $case: 'addressSet', value: { name, cidrs: [], addressPorts: [] } },
    });
    const policy: WantedObject = {
      object: { $case: 'networkPolicy', value: { name: 'p', ingress: [], egress: [], conditions: [] } },
    };
    const pod = { namespace: 'ns', name: 'web' };
    const isolation: WantedObject = {
      object: {
        $case: 'podIsolation',
        value: { ...pod, ingress: undefined, egress: undefined, conditions: [] },
      },
    };
    const attachment: WantedObject = {
      object: {
        $case: 'pod',
        value: { ...pod, attachmentId: 'c/eth0', interfaceName: 'tap', mac: '', addresses: [] },
      },
    };
    const told = (queue: ChangeQueue) =>
      drain(queue)
        .flat()
        .map(({ change }) => (change?.$case === 'upsert' ? change.value.object?.$case : change?.$case));
    const expected = ['addressSet', 'networkPolicy', 'podIsolation', 'pod', 'service'];
    const wanted = new WantedState();
    for (const object of [attachment, service('a'), isolation, policy, set('s')]) wanted.upsert(object);
    const queue = new ChangeQueue(wanted);
    expect(told(queue)).toEqual(['snapshotBegin', ...expected, 'snapshotEnd']);

    const names = [attachment, service('a'), isolation, policy, set('s')].map(referenceOf);
    for (const name of names) queue.push(keyOf(name));
    expect(told(queue)).toEqual(expected);
    for (const name of names.toReversed()) {
      wanted.remove(name);
      queue.push(keyOf(name));
    }
    wanted.upsert(set('t'));
    queue.push(keyOf(referenceOf(set('t'))));
    const removed = drain(queue).flatMap((batch) =>
      batch.map(({ change }) => (change?.$case === 'remove' ? change.value.kind : change?.$case)),
    );
    expect(removed).toEqual(['upsert', 3, 2, 6, 5, 4]);
    // Wanted again before its removal was told.
    wanted.upsert(set('u'));
    queue.push(keyOf(referenceOf(set('u'))));
    wanted.remove(referenceOf(set('u')));
    queue.push(keyOf(referenceOf(set('u'))));
    expect(drain(queue).flat()).toHaveLength(1);
  });

  it('knows when all that was said of an object is applied', () => {
    const wanted = new WantedState();
    const queue = new ChangeQueue(wanted);
    const key = keyOfService('a');
    drain(queue);
    expect(queue.isSettled(key)).toBe(false);
    queue.applied(queue.revision);
    expect(queue.isSettled(key)).toBe(true);
    queue.push(key);
    expect(queue.isSettled(key)).toBe(false);
    drain(queue);
    expect(queue.isSettled(key)).toBe(false);
    expect(queue.isSettled(keyOfService('b'))).toBe(true);
    queue.applied(queue.revision);
    expect(queue.isSettled(key)).toBe(true);
  });

  it('brings the other side to the wanted state, whatever happens in whatever order', () => {
    const names = ['a', 'b', 'c', 'd'];
    const step = fc.oneof(
      fc.record({ kind: fc.constant('upsert' as const), name: fc.constantFrom(...names), size: fc.nat(3) }),
      fc.record({ kind: fc.constant('remove' as const), name: fc.constantFrom(...names) }),
      fc.record({ kind: fc.constant('send' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step), fc.array(step), (before, after) => {
        const wanted = new WantedState();
        const there = new Map<string, WantedObject>([[keyOfService('stale'), service('stale')]]);
        let snapshot: Set<string> | undefined;
        let last = 0n;
        let queue: ChangeQueue | undefined;
        const receive = () => {
          for (const { revision, change } of queue?.nextBatch('n') ?? []) {
            expect(revision).toBeGreaterThan(last);
            last = revision;
            if (change?.$case === 'snapshotBegin') snapshot = new Set();
            if (change?.$case === 'upsert') {
              there.set(keyOf(referenceOf(change.value)), change.value);
              snapshot?.add(keyOf(referenceOf(change.value)));
            }
            if (change?.$case === 'remove') there.delete(keyOf(change.value));
            if (change?.$case === 'snapshotEnd') {
              for (const key of there.keys()) if (!snapshot?.has(key)) there.delete(key);
            }
          }
        };
        wanted.onChange((key) => queue?.push(key));
        const play = (steps: typeof before) => {
          for (const action of steps) {
            if (action.kind === 'upsert') wanted.upsert(service(action.name, action.size));
            else if (action.kind === 'remove') wanted.remove(referenceOf(service(action.name)));
            else receive();
          }
        };
        play(before);
        queue = new ChangeQueue(wanted);
        play(after);
        for (let revision = -1n; revision !== queue.revision; ) {
          revision = queue.revision;
          receive();
        }
        expect(there).toEqual(new Map(wanted.keys().map((key) => [key, wanted.get(key)])));
      }),
    );
  });
});
