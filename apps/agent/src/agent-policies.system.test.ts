import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ObjectKind, ObjectState, type PodIsolation, PolicyAction } from '@infra-offload/infra-api';
import { FakeApiServer } from '@infra-offload/k8s-watch/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Harness } from './testing/harness.js';
import { eventually } from './testing/network.js';

let harness: Harness;
let api: FakeApiServer;

beforeEach(async () => {
  harness = new Harness();
  api = await FakeApiServer.start();
});

afterEach(async () => {
  await harness.stop();
  await api.stop();
});

function pod(name: string, labels: object = {}, more: { nodeName?: string; ip?: string } = {}) {
  const { nodeName = 'node-1', ip } = more;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'shop', name, labels },
    spec: { nodeName, containers: [{ ports: [{ name: 'http', containerPort: 8080 }] }] },
    status: ip === undefined ? {} : { podIPs: [{ ip }, { ip: 'fd00::9' }] },
  };
}

function policy(name: string, spec: object) {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: 'shop', name },
    spec: { podSelector: {}, ...spec },
  };
}

const app = (value: string) => ({ podSelector: { matchLabels: { app: value } } });
const toCart = policy('cart', {
  ...app('cart'),
  ingress: [{ from: [app('web')], ports: [{ port: 'http' }] }],
});
const cart = { args: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart' };

function add() {
  return harness.cni('ADD', { ...cart, netns: harness.network.addNetns('cart') });
}

function isolation(name = 'cart'): PodIsolation | undefined {
  const object = harness.manager.objects.get(`${ObjectKind.OBJECT_KIND_POD_ISOLATION}:shop/${name}`)?.object;
  return object?.$case === 'podIsolation' ? object.value : undefined;
}

const policiesOf = (name?: string) => isolation(name)?.ingress?.tiers[0]?.policies;

function addresses(set: string): readonly string[] | undefined {
  const object = harness.manager.objects.get(`${ObjectKind.OBJECT_KIND_ADDRESS_SET}:${set}`)?.object;
  return object?.$case === 'addressSet' ? object.value.cidrs : undefined;
}

/** Cases of what the manager was told, in order. */
function told(): (string | undefined)[] {
  return harness.manager.changes.map(({ change }) =>
    change?.$case === 'upsert' ? change.value.object?.$case : change?.$case,
  );
}

describe('policies of the Kubernetes API', () => {
  it('reach the manager before the pod, and follow the cluster', async () => {
    api.database.create(toCart);
    api.database.create(pod('cart', { app: 'cart' }));
    api.database.create(pod('web-1', { app: 'web' }, { nodeName: 'node-2', ip: '10.244.9.1' }));
    const { manager } = await harness.start(2, harness.watching(api));
    let atAdd: readonly string[] | undefined;
    manager.onAddPod = () => {
      atAdd = policiesOf();
    };
    const { exitCode, json } = await add();
    expect(exitCode).toBe(0);
    expect(atAdd).toEqual(['shop/cart']);
    const [address = ''] = json?.ips?.[0]?.address.split('/') ?? [];

    expect(isolation()).toMatchObject({
      ingress: { tiers: [{ policies: ['shop/cart'], defaultAction: PolicyAction.POLICY_ACTION_DENY }] },
      egress: undefined,
    });
    expect(
      manager.objects.get(`${ObjectKind.OBJECT_KIND_NETWORK_POLICY}:shop/cart`)?.object?.value,
    ).toMatchObject({
      ingress: [
        {
          action: PolicyAction.POLICY_ACTION_ALLOW,
          peers: [{ negated: false, cidrs: [], addressSets: ['shop/app=web'] }],
          ports: [{ match: { $case: 'addressPortSet', value: 'shop/app=cart:http/TCP' } }],
        },
      ],
    });
    expect(addresses('shop/app=web')).toEqual(['10.244.9.1']);
    const ports = `${ObjectKind.OBJECT_KIND_ADDRESS_SET}:shop/app=cart:http/TCP`;
    await eventually(
      () => JSON.stringify(manager.objects.get(ports)).includes(address),
      'the named port of the pod, whose status has no address yet',
    );

    api.database.create(pod('web-2', { app: 'web' }, { nodeName: 'node-2', ip: '10.244.9.2' }));
    await eventually(() => addresses('shop/app=web')?.length === 2, 'the new peer');
    api.database.create(policy('all', { policyTypes: ['Ingress', 'Egress'] }));
    await eventually(() => policiesOf()?.length === 2, 'the second policy');
    expect(isolation()?.egress?.tiers).toEqual([
      { policies: ['shop/all'], defaultAction: PolicyAction.POLICY_ACTION_DENY },
    ]);
    api.database.delete({ kind: 'NetworkPolicy', namespace: 'shop', name: 'all' });
    api.database.delete({ kind: 'NetworkPolicy', namespace: 'shop', name: 'cart' });
    await eventually(() => isolation() === undefined && addresses('shop/app=web') === undefined, 'all gone');
  });

  it('hold a pod back until its object and its isolation are there', async () => {
    api.database.create(toCart);
    const { manager } = await harness.start(2, harness.watching(api));
    const adding = add();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(manager.addPodCalls).toEqual([]);
    manager.acknowledges = false;
    api.database.create(pod('cart', { app: 'cart' }));
    await eventually(() => isolation() !== undefined, 'its isolation');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(manager.addPodCalls).toEqual([]);
    manager.acknowledges = true;
    manager.acknowledge();
    expect((await adding).exitCode).toBe(0);
    expect(manager.addPodCalls).toHaveLength(1);
  });

  it('are not guessed for a pod that the API does not have on this node', async () => {
    api.database.create(pod('cart', {}, { nodeName: 'node-2' }));
    const { manager } = await harness.start(2, harness.watching(api));
    const { exitCode, json } = await add();
    expect(exitCode).not.toBe(0);
    expect(json).toMatchObject({
      code: 11,
      msg: expect.stringMatching(
        /pod shop\/cart is on node node-2, but this is node node-1, so it is not known/,
      ),
    });
    expect(manager.addPodCalls).toEqual([]);
    expect(isolation()).toBeUndefined();
    // Not of Kubernetes.
    const other = await harness.cni('ADD', { netns: harness.network.addNetns('other') });
    expect(other.exitCode).toBe(0);
  });

  it('keep holding when the agent starts anew, and shut a pod whose object is gone', async () => {
    api.database.create(toCart);
    api.database.create(pod('cart', { app: 'cart' }));
    const { manager } = await harness.start(2, harness.watching(api));
    expect((await add()).exitCode).toBe(0);
    await harness.agent?.stop();
    api.forbid('list', 'networkpolicies');
    const agent = await harness.startAgent(harness.watching(api));
    expect(agent.problems()).toContainEqual(expect.stringMatching(/networkpolicies.*ClusterRole/));
    expect(manager.streams).toBe(1);
    expect(policiesOf()).toEqual(['shop/cart']);
    api.allow('list', 'networkpolicies');
    await eventually(() => agent.problems().length === 0, 'ready');
    const kinds = ['addressSet', 'addressSet', 'networkPolicy', 'podIsolation'];
    expect(told().slice(0, 5)).toEqual(['snapshotBegin', ...kinds]);
    expect(told().indexOf('pod')).toBeGreaterThan(4);

    api.database.delete({ kind: 'Pod', namespace: 'shop', name: 'cart' });
    await eventually(() => policiesOf()?.length === 0, 'shut');
    expect(isolation()?.egress?.tiers).toEqual([
      { policies: [], defaultAction: PolicyAction.POLICY_ACTION_DENY },
    ]);
    expect((await harness.cni('DEL', cart)).exitCode).toBe(0);
    await eventually(() => isolation() === undefined, 'its isolation is gone');
    expect(manager.pods.size).toBe(0);
  });

  it('are told of in log and metrics when the manager could not take them in full', async () => {
    api.database.create(policy('all', {}));
    api.database.create(pod('cart'));
    const { manager, log, agent } = await harness.start(1, harness.watching(api));
    const object = { kind: ObjectKind.OBJECT_KIND_NETWORK_POLICY, name: 'shop/all' };
    const state = ObjectState.OBJECT_STATE_DEGRADED;
    manager.report([{ object, state, reason: 'TooManyRules', message: 'some deny more' }]);
    const isLogged = () =>
      log.some(({ object, reason }) => object === 'policy shop/all' && reason === 'TooManyRules');
    await eventually(isLogged, 'the warning');
    const metrics = await (await fetch(`http://${agent?.monitoringAddress}/metrics`)).text();
    expect(metrics).toMatch(/^infra_agent_object_status\{kind="policy",state="degraded"\} 1$/m);
  });

  it('are none if the configuration says so', async () => {
    api.database.create(policy('all', {}));
    api.forbid('list', 'networkpolicies');
    const { manager } = await harness.start(2, harness.watching(api, { networkPolicy: 'off' }));
    expect((await add()).exitCode).toBe(0);
    expect(told()).not.toContain('networkPolicy');
    expect(manager.pods.size).toBe(1);
  });
});

describe('policies of manifests', () => {
  it('hold for pods that have no object, which are without labels, and for those that have one', async () => {
    mkdirSync(harness.manifests);
    writeFileSync(join(harness.manifests, 'policies.json'), JSON.stringify(policy('all', {})));
    writeFileSync(join(harness.manifests, 'cart.json'), JSON.stringify(toCart));
    await harness.start(2);
    expect((await add()).exitCode).toBe(0);
    expect(policiesOf()).toEqual(['shop/all']);
    writeFileSync(join(harness.manifests, 'pod.json'), JSON.stringify(pod('cart', { app: 'cart' })));
    await eventually(() => policiesOf()?.length === 2, 'the policy for its label');
    expect((await harness.cni('DEL', cart)).exitCode).toBe(0);
    expect(harness.manager.pods.size).toBe(0);
  });
});
