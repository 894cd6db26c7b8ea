import { describe, expect, it } from 'vitest';
import type { Namespace, NetworkPolicy, Pod } from '../objects/types.js';
import { ObjectStore } from '../store.js';
import { namespace, pod, policy } from './test-policies.js';
import { type PolicyChange, PolicyTracker } from './tracker.js';
import type { PolicyResult } from './types.js';

class Cluster {
  readonly networkPolicies = new ObjectStore<NetworkPolicy>();
  readonly pods = new ObjectStore<Pod>();
  readonly namespaces = new ObjectStore<Namespace>();
  readonly changes: PolicyChange[] = [];

  constructor(...objects: readonly (Pod | NetworkPolicy | Namespace)[]) {
    this.set(...objects);
  }

  set(...objects: readonly (Pod | NetworkPolicy | Namespace)[]): void {
    for (const object of objects) {
      if (object.kind === 'Pod') this.pods.set(object);
      else if (object.kind === 'Namespace') this.namespaces.set(object);
      else this.networkPolicies.set(object);
    }
  }

  track(isComplete = true): PolicyTracker {
    const tracker = new PolicyTracker({ source: this, nodeName: 'here', isComplete });
    tracker.subscribe((changes) => this.changes.push(...changes));
    return tracker;
  }

  /** Changes since the last time, as "+kind name" and "-kind name". */
  told(): string[] {
    return this.changes.splice(0).map((change) => {
      if (change.type === 'remove') return `-${change.kind} ${change.name}`;
      return `+${change.result.kind} ${change.result.name}`;
    });
  }
}

const here = (name: string, ip: string, labels = {}, more = {}) =>
  pod(name, { node: 'here', ips: [ip], labels, ...more });
const there = (name: string, ip: string, labels = {}, more = {}) =>
  pod(name, { node: 'there', ips: [ip], labels, ...more });
const from = (...peers: object[]) => ({ ingress: [{ from: peers }] });
const app = (value: string) => ({ podSelector: { matchLabels: { app: value } } });

function results(tracker: PolicyTracker): Record<string, PolicyResult> {
  return Object.fromEntries(
    [...tracker.results()].map((result) => [`${result.kind} ${result.name}`, result]),
  );
}

const names = (tracker: PolicyTracker) => Object.keys(results(tracker));
const both = { ingress: { policies: [] }, egress: { policies: [] } };

describe('PolicyTracker', () => {
  it('has sets, policies and isolations, of what isolates a pod here', () => {
    const cluster = new Cluster(
      here('web', '10.0.0.1', { app: 'web' }),
      there('db', '10.0.1.1', { app: 'db' }),
      policy('web', {
        ...app('web'),
        ingress: [{ from: [app('db')], ports: [{ port: 80 }, { port: 'http' }] }],
      }),
      policy('db', { ...app('db'), ...from(app('web')) }),
    );
    expect([...cluster.track().results()]).toEqual([
      {
        kind: 'AddressSet',
        name: 'default/app=web:http/TCP',
        addresses: [],
        addressPorts: [],
      },
      { kind: 'AddressSet', name: 'default/app=db', addresses: ['10.0.1.1'], addressPorts: [] },
      {
        kind: 'NetworkPolicy',
        name: 'default/web',
        ingress: [
          {
            peers: [{ negated: false, cidrs: [], addressSets: ['default/app=db'] }],
            ports: [
              { type: 'Range', protocol: 'TCP', ports: { first: 80, last: 80 } },
              { type: 'NamedPort', addressSet: 'default/app=web:http/TCP' },
            ],
          },
        ],
        egress: [],
      },
      { kind: 'PodIsolation', name: 'default/web', ingress: { policies: ['default/web'] } },
    ]);
  });

  it('makes blocks with exceptions rules of their own, and masks what is beyond the prefix', () => {
    const blocks = [
      { ipBlock: { cidr: '10.1.2.3/8' } },
      { ipBlock: { cidr: '192.168.0.0/16', except: ['192.168.1.9/24'] } },
    ];
    const cluster = new Cluster(here('web', '10.0.0.1'), policy('p', from(...blocks, app('a'))));
    const match = { negated: false, cidrs: [], addressSets: [] };
    expect(results(cluster.track())['NetworkPolicy default/p']).toMatchObject({
      ingress: [
        { peers: [{ ...match, cidrs: ['10.0.0.0/8'], addressSets: ['default/app=a'] }] },
        {
          peers: [
            { ...match, cidrs: ['192.168.0.0/16'] },
            { negated: true, cidrs: ['192.168.1.0/24'] },
          ],
        },
      ],
    });
  });

  it('has one set for equal selectors, however they are written, until the last policy is gone', async () => {
    const written = [
      { podSelector: { matchLabels: { b: '2', a: '1' } } },
      {
        podSelector: {
          matchExpressions: [{ key: 'b', operator: 'In', values: ['2'] }],
          matchLabels: { a: '1' },
        },
      },
      {
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'default' } },
        podSelector: { matchLabels: { a: '1', b: '2' } },
      },
    ];
    const cluster = new Cluster(
      here('web', '10.0.0.1'),
      ...written.map((peer, i) => policy(`p${i}`, from(peer))),
    );
    const tracker = cluster.track();
    expect(names(tracker).filter((name) => name.startsWith('AddressSet'))).toEqual([
      'AddressSet default/a=1,b=2',
    ]);
    cluster.networkPolicies.delete('default', 'p0');
    tracker.flush();
    expect(cluster.told()).toEqual(['+PodIsolation default/web', '-NetworkPolicy default/p0']);
    cluster.networkPolicies.delete('default', 'p1');
    cluster.networkPolicies.delete('default', 'p2');
    await Promise.resolve();
    expect(cluster.told()).toEqual([
      '-PodIsolation default/web',
      '-NetworkPolicy default/p1',
      '-NetworkPolicy default/p2',
      '-AddressSet default/a=1,b=2',
    ]);
  });

  it('tells sets before policies before isolations, and what is gone the other way round, once for one run', async () => {
    const cluster = new Cluster(here('web', '10.0.0.1'), there('db', '10.0.1.1', { app: 'db' }));
    cluster.track();
    cluster.set(policy('a', from(app('db'))));
    await Promise.resolve();
    expect(cluster.told()).toEqual([
      '+AddressSet default/app=db',
      '+NetworkPolicy default/a',
      '+PodIsolation default/web',
    ]);
    cluster.set(policy('b', from(app('db'))), policy('a', from(app('web'))));
    await Promise.resolve();
    expect(cluster.told()).toEqual([
      '+AddressSet default/app=web',
      '+NetworkPolicy default/b',
      '+NetworkPolicy default/a',
      '+PodIsolation default/web',
    ]);
    cluster.set(there('db', '10.0.1.2', { app: 'db' }), there('idle', '10.0.1.3'));
    cluster.set(there('db', '10.0.1.1', { app: 'db' }));
    await Promise.resolve();
    expect(cluster.told()).toEqual([]);
    cluster.pods.delete('default', 'web');
    await Promise.resolve();
    expect(cluster.told()).toEqual([
      '-PodIsolation default/web',
      '-NetworkPolicy default/b',
      '-NetworkPolicy default/a',
      '-AddressSet default/app=db',
      '-AddressSet default/app=web',
    ]);
  });

  it('knows a pod by its attachment before its status does, and prefers that to a status of before', () => {
    const cluster = new Cluster(
      pod('web', { node: 'here', labels: { app: 'web' } }),
      there('old', '10.0.0.7', { app: 'old' }),
      policy('p', from(app('web'), app('old'))),
    );
    const tracker = cluster.track();
    const addresses = () =>
      ['web', 'old'].map((name) => {
        const set = results(tracker)[`AddressSet default/app=${name}`];
        return set?.kind === 'AddressSet' ? set.addresses : undefined;
      });
    expect(addresses()).toEqual([[], ['10.0.0.7']]);
    tracker.attach('c1/eth0', { namespace: 'default', name: 'web', addresses: ['10.0.0.7'] });
    tracker.flush();
    expect(addresses()).toEqual([['10.0.0.7'], []]);
    cluster.set(pod('web', { node: 'here', labels: { app: 'web' }, ips: ['10.0.0.3', 'fd00::3'] }));
    tracker.flush();
    expect(addresses()).toEqual([['10.0.0.7', 'fd00::3'], []]);
    tracker.detach('c1/eth0');
    tracker.flush();
    expect(addresses()).toEqual([['10.0.0.3', 'fd00::3'], ['10.0.0.7']]);
  });

  it('denies everything to a pod that is attached and that a complete source does not have', () => {
    const cluster = new Cluster(policy('p', app('web')), policy('all'));
    const tracker = cluster.track();
    tracker.attach('c1/eth0', { namespace: 'default', name: 'web', addresses: ['10.0.0.1'] });
    tracker.attach('c2/eth0', { namespace: '', name: '', addresses: ['10.0.0.2'] });
    tracker.flush();
    expect([...tracker.results()]).toEqual([{ kind: 'PodIsolation', name: 'default/web', ...both }]);
    cluster.set(pod('web', { node: 'here' }));
    tracker.flush();
    expect(results(tracker)['PodIsolation default/web']).toMatchObject({
      ingress: { policies: ['default/all'] },
    });
    cluster.set(pod('web', { node: 'there' }));
    tracker.flush();
    expect(results(tracker)['PodIsolation default/web']).toMatchObject(both);
    tracker.detach('c1/eth0');
    tracker.flush();
    expect(names(tracker)).toEqual([]);
    tracker.detach('c1/eth0');
  });

  it('takes it for a pod without labels where the source need not have it', () => {
    const cluster = new Cluster(policy('p', app('web')), policy('all'));
    const tracker = cluster.track(false);
    tracker.attach('c1/eth0', { namespace: 'default', name: 'web', addresses: ['10.0.0.1'] });
    tracker.attach('c1/eth0', { namespace: 'default', name: 'other', addresses: ['10.0.0.1'] });
    tracker.flush();
    expect(names(tracker)).toEqual(['NetworkPolicy default/all', 'PodIsolation default/other']);
  });

  it('selects no namespace that a complete source does not have yet', () => {
    const cluster = new Cluster(
      here('web', '10.0.0.1'),
      there('x', '10.0.1.1', {}, { namespace: 'x' }),
      policy('p', from({ namespaceSelector: {} })),
    );
    const addresses = (tracker: PolicyTracker) => {
      tracker.flush();
      const set = results(tracker)['AddressSet {}/*'];
      return set?.kind === 'AddressSet' ? set.addresses : undefined;
    };
    expect(addresses(cluster.track(false))).toEqual(['10.0.0.1', '10.0.1.1']);
    const tracker = cluster.track(true);
    expect(addresses(tracker)).toEqual([]);
    cluster.set(namespace('x'));
    expect(addresses(tracker)).toEqual(['10.0.1.1']);
    cluster.namespaces.delete('', 'x');
    expect(addresses(tracker)).toEqual([]);
  });

  it('keeps names of sets short, and apart whatever is in selectors', () => {
    const values = Array.from({ length: 40 }, (_, i) => `value-${i}`);
    const long = (extra: string) => ({
      podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: [...values, extra] }] },
    });
    const odd = [
      { podSelector: { matchLabels: { a: '1,b=2' } } },
      { podSelector: { matchLabels: { a: '1', b: '2' } } },
      { podSelector: { matchExpressions: [{ key: 'a', operator: 'In', values: ['x', 'y'] }] } },
      { podSelector: { matchLabels: { a: '(x|y)' } } },
      { podSelector: { matchLabels: { a: '\n\u007f\u0085ü"' } } },
      { podSelector: { matchExpressions: [{ key: 'a', operator: 'DoesNotExist' }] } },
      { podSelector: { matchExpressions: [{ key: '!a', operator: 'Exists' }] } },
    ];
    const cluster = new Cluster(here('web', '10.0.0.1'), policy('p', from(long('y'), long('z'), ...odd)));
    const sets = names(cluster.track()).filter((name) => name.startsWith('AddressSet'));
    expect(sets).toHaveLength(9);
    for (const name of sets) expect(name).toMatch(/^AddressSet [ -~]{1,253}$/);
  });

  it('follows nothing any more once it is closed', async () => {
    const cluster = new Cluster(here('web', '10.0.0.1'));
    const tracker = cluster.track();
    tracker.close();
    cluster.set(policy('p'));
    await Promise.resolve();
    expect(names(tracker)).toEqual([]);
  });
});
