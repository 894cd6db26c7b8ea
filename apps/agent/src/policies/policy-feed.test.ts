import {
  type Namespace,
  type NetworkPolicy,
  ObjectStore,
  type Pod,
  parseObject,
} from '@infra-offload/k8s-watch';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { type ObjectKey, WantedState } from '../sync/wanted-state.js';
import { PolicyFeed } from './policy-feed.js';

function pod(spec: object, metadata: object = {}, status: object = {}): Pod {
  const name = { namespace: 'shop', name: 'cart' };
  const parsed = parseObject({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...name, ...metadata },
    spec: { nodeName: 'node-1', ...spec },
    status,
  });
  if (parsed.result === 'object' && parsed.object.kind === 'Pod') return parsed.object;
  throw new Error(JSON.stringify(parsed));
}

function feed({ isComplete = true, podTimeoutMs = 30 } = {}) {
  const pods = new ObjectStore<Pod>();
  const wanted = new WantedState();
  const changes: ObjectKey[] = [];
  wanted.onChange((key) => changes.push(key));
  const source = {
    namespaces: new ObjectStore<Namespace>(),
    networkPolicies: new ObjectStore<NetworkPolicy>(),
    pods,
  };
  const logger = pino({ level: 'silent' });
  const feed = new PolicyFeed({ source, nodeName: 'node-1', isComplete, wanted, logger, podTimeoutMs });
  return { feed, pods, wanted, changes };
}

const attached = { attachmentId: 'c1/eth0', namespace: 'shop', name: 'cart', addresses: ['10.0.0.1'] };

describe('PolicyFeed', () => {
  it.each([
    [undefined, /the Kubernetes API has not reported pod shop\/cart, so it is not known/],
    [pod({ nodeName: undefined }), /according to the Kubernetes API, pod shop\/cart is on no node/],
    [
      pod({ nodeName: 'node-2' }),
      /according to the Kubernetes API, pod shop\/cart is on node node-2, but this is node node-1/,
    ],
    [pod({}, {}, { phase: 'Succeeded' }), /has ended/],
    [pod({}, { deletionTimestamp: '2026-01-01T00:00:00Z' }), /is being deleted/],
  ])('admits no pod whose object is %j', async (object, message) => {
    const { feed: policies, pods, wanted } = feed();
    if (object !== undefined) pods.set(object);
    policies.start();
    await expect(policies.admit(attached)).rejects.toMatchObject({
      code: 11,
      message: expect.stringMatching(message),
    });
    expect(wanted.size).toBe(0);
  });

  it('waits for the object of a pod in the place of an earlier one', async () => {
    const { feed: policies, pods } = feed({ podTimeoutMs: 10_000 });
    policies.start();
    pods.set(pod({}, { deletionTimestamp: '2026-01-01T00:00:00Z' }));
    const admitted = policies.admit(attached);
    pods.delete('shop', 'cart');
    pods.set(pod({}));
    expect(await admitted).toBeUndefined();
  });

  it('admits nothing before it has started, and by then knows pods of an earlier run', async () => {
    const { feed: policies, wanted } = feed();
    await expect(policies.admit(attached)).rejects.toMatchObject({ code: 11 });
    policies.expect(attached);
    policies.expect({ ...attached, attachmentId: 'c2/eth0', name: 'gone' });
    policies.release('c2/eth0');
    policies.start();
    expect(wanted.keys()).toEqual(['6:shop/cart']);
    policies.release('c1/eth0');
    await Promise.resolve();
    expect(wanted.size).toBe(0);
    policies.stop();
  });

  it('lets in what is not of Kubernetes, and any pod where objects may be missing', async () => {
    const complete = feed();
    complete.feed.start();
    const bare = { ...attached, namespace: '', name: '' };
    expect(await complete.feed.admit(bare)).toBeUndefined();
    const partial = feed({ isComplete: false });
    partial.feed.start();
    expect(await partial.feed.admit(attached)).toBeUndefined();
  });
});
