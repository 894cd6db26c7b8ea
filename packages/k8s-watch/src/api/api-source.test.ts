import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ServiceTracker } from '../services/tracker.js';
import {
  eventually,
  serviceInput,
  sliceInput,
  statusOf,
  type TestCluster,
  testCluster,
} from '../testing/test-cluster.js';
import { loadBalancingResources } from './resources.js';

let cluster: TestCluster;
beforeEach(async () => {
  cluster = await testCluster();
});
afterEach(() => cluster.close());

const told = () => cluster.reports.map(({ type, problem }) => `${type} ${problem.code}`);
const names = (objects: Iterable<{ name: string }>) => [...objects].map(({ name }) => name);

describe('ApiSource', () => {
  it('lists, then follows', async () => {
    const { database } = cluster.server;
    database.create(serviceInput('web'));
    const source = cluster.source({ Service: {}, EndpointSlice: {} });
    expect(source.hasSynced).toBe(false);
    await source.start();
    expect(source.hasSynced).toBe(true);
    expect(names(source.services.values())).toEqual(['web']);
    const events: string[] = [];
    source.services.subscribe(({ type, object }) => events.push(`${type} ${object.name}`));
    database.create(serviceInput('db'));
    database.update(serviceInput('web', 81));
    database.delete({ kind: 'Service', name: 'db' });
    await eventually(() => events.length === 3, 'three events');
    expect(events).toEqual(['added db', 'updated web', 'removed db']);
    expect(cluster.reports).toEqual([]);
  });

  it('lists in pages of one state, and begins again without pages when that state is forgotten', async () => {
    const { server } = cluster;
    for (let i = 0; i < 1100; i++) server.database.create(serviceInput(`s${i}`));
    server.inject({ fault: { type: 'delay', ms: 50 }, verb: 'list', times: 4 });
    const source = cluster.source({ Service: {} });
    const started = source.start();
    const lists = () => server.requests.filter(({ verb }) => verb === 'list');
    await eventually(() => lists().length === 1, 'a page');
    server.database.create(serviceInput('web'));
    server.database.compact();
    await started;
    expect(source.services.size).toBe(1101);
    expect(lists().map(({ status, query }) => [status, query.limit, query.continue !== undefined])).toEqual([
      [200, '500', false],
      [410, '500', true],
      [200, undefined, false],
    ]);
    expect(cluster.reports).toEqual([]);
  });

  it('watches with bookmarks, goes on from the last one, and tells the version in its status', async () => {
    const { server } = cluster;
    const source = cluster.source({ Service: {}, Node: {} });
    await source.start();
    for (let i = 0; i < 5; i++) server.database.create({ kind: 'Node', metadata: { name: `n${i}` } });
    await eventually(() => statusOf(source, 'Service').resourceVersion === '1005', 'a bookmark of services');
    await eventually(() => statusOf(source, 'Service').watches >= 3, 'the watch ends in time');
    const watches = server.requests.filter(
      ({ verb, resource }) => verb === 'watch' && resource === 'services',
    );
    expect(watches[0]?.query).toMatchObject({ allowWatchBookmarks: 'true', resourceVersion: '1000' });
    expect(Number(watches[0]?.query.timeoutSeconds)).toBeOneOf([1, 2]);
    expect(watches[1]?.query.resourceVersion).toBe('1005');
    expect(statusOf(source, 'Service')).toMatchObject({ lists: 1, failures: 0, objects: 0, synced: true });
  });

  it.each(['status', 'event'] as const)(
    'lists again after 410 as %s, and tells only the difference',
    async (as) => {
      const { server } = cluster;
      for (const name of ['a', 'b', 'c']) server.database.create(serviceInput(name));
      const source = cluster.source({ Service: {} });
      await source.start();
      const events: string[] = [];
      source.services.subscribe(({ type, object }) => events.push(`${type} ${object.name}`));
      server.inject(
        { fault: { type: 'status', status: 500 }, verb: 'watch', times: 2 },
        { fault: { type: 'gone', as }, verb: 'watch', times: 3 },
      );
      server.cutConnections();
      server.database.delete({ kind: 'Service', name: 'a' });
      server.database.update(serviceInput('b', 81));
      server.database.create(serviceInput('d'));
      await eventually(() => statusOf(source, 'Service').lists === 2, 'a second list');
      expect(events).toEqual(['removed a', 'updated b', 'added d']);
    },
  );

  it('lists again when the server was restored to an older state, also while nothing changes', async () => {
    const { server } = cluster;
    const backup = server.database.backup();
    server.database.create(serviceInput('web'));
    const source = cluster.source({ Service: {} });
    await source.start();
    await server.restart({ backup });
    await eventually(() => source.services.size === 0, 'the service is gone');
    expect(statusOf(source, 'Service').resourceVersion).toBe('1000');
  });

  it('notices a connection on which nothing comes any more', async () => {
    const { server } = cluster;
    const source = cluster.source({ Service: {} }, { watchSeconds: 60 });
    server.inject({ fault: { type: 'stall', afterEvents: 1 }, verb: 'watch' });
    await source.start();
    await eventually(() => statusOf(source, 'Service').events > 0, 'a bookmark');
    server.cutConnections();
    await eventually(() => server.openWatches === 1, 'a watch that knows of bookmarks');
    server.inject({ fault: { type: 'stall', afterEvents: 0 }, verb: 'watch' });
    server.cutConnections();
    await eventually(() => server.openWatches === 1, 'the watch that stalls');
    server.database.create(serviceInput('web'));
    await eventually(() => source.services.size === 1, 'the service');
  });

  it('reports what is no event, and lists again', async () => {
    const { server } = cluster;
    server.inject({ fault: { type: 'garbage', afterEvents: 0, text: '<html>' }, verb: 'watch' });
    const source = cluster.source({ Service: {} });
    await source.start();
    await eventually(() => statusOf(source, 'Service').lists === 2, 'a second list');
    expect(told()).toEqual(['problem BAD_RESPONSE', 'resolved BAD_RESPONSE']);
    expect(cluster.reports[0]?.problem.message).toMatch(
      /^cannot watch services: the watch sent '<html>', which is not JSON: .*; everything is listed again$/,
    );
  });

  it('reports an object that it cannot read, keeps its last good state, and reads on', async () => {
    const { database } = cluster.server;
    database.create(serviceInput('web'));
    const source = cluster.source({ Service: {} });
    await source.start();
    database.update(serviceInput('web', 80000));
    database.create(serviceInput('db'));
    await eventually(() => source.services.size === 2, 'the other one');
    expect(source.services.get('default', 'web')?.ports[0]?.port).toBe(80);
    expect(source.problems.map(({ message }) => message)).toEqual([
      'Service default/web: spec.ports[0].port: must be an integer from 1 to 65535; its last good state stays in force',
    ]);
    database.update(serviceInput('web', 81));
    await eventually(() => source.problems.length === 0, 'no problem any more');
    expect(told()).toEqual(['problem INVALID_OBJECT', 'resolved INVALID_OBJECT']);
  });

  it('names the permission that is missing, and goes on with what is allowed', async () => {
    const { server } = cluster;
    server.forbid('list', 'endpointslices');
    server.database.create(serviceInput('web'));
    const source = cluster.source({ Service: {}, EndpointSlice: {} });
    const started = source.start();
    await eventually(() => source.services.size === 1, 'services');
    await eventually(() => source.problems.length === 1, 'a problem');
    expect(source.hasSynced).toBe(false);
    expect(source.problems[0]).toMatchObject({ code: 'FORBIDDEN', kind: 'EndpointSlice' });
    expect(source.problems[0]?.message).toBe(
      'cannot list endpointslices.discovery.k8s.io: a ClusterRole must allow the verbs "list" and "watch" on resource ' +
        '"endpointslices" of API group "discovery.k8s.io", here "list" is missing; status 403: ' +
        'endpointslices.discovery.k8s.io is forbidden: User "test" cannot list resource "endpointslices" in API group ' +
        '"discovery.k8s.io" at the cluster scope',
    );
    server.allow('list', 'endpointslices');
    await started;
    expect(told()).toEqual(['problem FORBIDDEN', 'resolved FORBIDDEN']);
  });

  it('takes the refusals of a server that starts for what they are, and tells since when requests fail', async () => {
    const { server } = cluster;
    const source = cluster.source({ Service: {} }, { refusalMs: 60_000 });
    await source.start();
    server.forbid('list', 'services');
    server.forbid('watch', 'services');
    server.cutConnections();
    await eventually(() => statusOf(source, 'Service').failures > 5, 'refusals');
    expect(source.problems).toMatchObject([{ code: 'FORBIDDEN', since: expect.any(Date) }]);
    expect(told()).toEqual([]);
    server.allow('list', 'services');
    server.allow('watch', 'services');
    server.database.create(serviceInput('web'));
    await eventually(() => source.services.size === 1, 'the service');
    expect(told()).toEqual([]);

    const before = new Date();
    server.inject({ fault: { type: 'status', status: 500 }, times: 1_000 });
    server.cutConnections();
    await eventually(() => source.problems.length === 1, 'a problem');
    const { since } = source.problems[0] ?? {};
    expect(since?.getTime()).toBeGreaterThanOrEqual(before.getTime());
  });

  it('waits as long as the server asks', async () => {
    cluster.server.inject({ fault: { type: 'status', status: 429, retryAfterSeconds: 1 }, verb: 'list' });
    const source = cluster.source({ Service: {} });
    const began = performance.now();
    await source.start();
    expect(performance.now() - began).toBeGreaterThan(990);
    expect(told()).toEqual(['problem OVERLOADED', 'resolved OVERLOADED']);
  });

  it('selects as kube-proxy does, and drops what no longer is selected', async () => {
    const { database } = cluster.server;
    database.create(serviceInput('web'));
    database.create(serviceInput('other', 80, { 'service.kubernetes.io/service-proxy-name': 'x' }));
    database.create({ kind: 'Node', metadata: { name: 'n1' } });
    database.create({ kind: 'Node', metadata: { name: 'n2' } });
    const source = cluster.source(loadBalancingResources('n1'));
    await source.start();
    expect([names(source.services.values()), names(source.nodes.values())]).toEqual([['web'], ['n1']]);
    database.update(serviceInput('web', 80, { 'service.kubernetes.io/headless': '' }));
    database.update(serviceInput('other'));
    await eventually(() => source.services.get('default', 'other') !== undefined, 'the other one');
    expect(names(source.services.values())).toEqual(['other']);
  });

  it('gives the tracker the zone of its node', async () => {
    const { database } = cluster.server;
    const zoned = (zone: string) => ({ hints: { forZones: [{ name: zone }] } });
    database.create(serviceInput('web'));
    const slice = sliceInput('web-1', 'web');
    const endpoints = [
      { addresses: ['10.0.0.1'], ...zoned('a') },
      { addresses: ['10.0.0.2'], ...zoned('b') },
    ];
    database.create({ ...slice, endpoints });
    const node = (zone: string) => ({
      kind: 'Node',
      metadata: { name: 'n1', labels: { 'topology.kubernetes.io/zone': zone } },
    });
    database.create(node('a'));
    const source = cluster.source(loadBalancingResources('n1'));
    await source.start();
    const tracker = new ServiceTracker({ source, node: { name: 'n1' } });
    const addresses = () =>
      [...tracker.services()].flatMap(({ endpoints }) => endpoints.map(({ address }) => address));
    expect(addresses()).toEqual(['10.0.0.1']);
    database.update(node('b'));
    await eventually(() => addresses()[0] === '10.0.0.2', 'the other zone');
  });

  it('stops at any moment, and leaves no connection behind', async () => {
    const source = cluster.source({ Service: {} });
    await source.start();
    await source.stop();
    await eventually(() => cluster.server.openWatches === 0, 'no watch');
    const ofServices = () => cluster.server.requests.filter(({ resource }) => resource === 'services').length;
    const before = ofServices();
    const other = cluster.source({ Node: {} });
    await other.start();
    await other.stop();
    expect(ofServices()).toBe(before);
    expect(statusOf(source, 'Service').state).toBe('stopped');

    const unreachable = cluster.source({ Service: {} });
    await cluster.server.stop();
    const started = unreachable.start();
    await eventually(() => unreachable.problems.length === 1, 'a problem');
    expect(unreachable.problems[0]?.message).toMatch(
      /^cannot list services: http:\/\/127\.0\.0\.1:\d+: connect ECONNREFUSED/,
    );
    await unreachable.stop();
    await started;
    expect(unreachable.hasSynced).toBe(false);
  });
});
