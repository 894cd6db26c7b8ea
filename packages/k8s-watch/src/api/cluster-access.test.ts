import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { clusterOfTest, directoryOfTest, eventually, serviceInput } from '../testing/test-cluster.js';
import { ApiSource } from './api-source.js';
import type { ClusterAccess } from './cluster-access.js';
import { KubernetesApiError } from './error.js';

describe('credentials', () => {
  it('are read again when the server refuses them', async () => {
    const tokens = new Set(['old']);
    const { server, source: make, writeKubeconfig, reports } = await clusterOfTest({ tokens });
    writeKubeconfig({ token: 'old' });
    const source = make({ Service: {} });
    await source.start();
    tokens.clear();
    tokens.add('new');
    server.cutConnections();
    await eventually(() => source.problems[0]?.code === 'UNAUTHORIZED', 'refused');
    expect(source.problems[0]?.message).toBe(
      'cannot watch services: the server refuses the credentials, which are read again for each attempt; status 401: Unauthorized',
    );
    writeKubeconfig({ token: 'new' });
    server.database.create(serviceInput('web'));
    await eventually(() => source.services.size === 1, 'the service');
    expect(reports.at(-1)).toMatchObject({ type: 'resolved', problem: { code: 'UNAUTHORIZED' } });
  });

  it('come from a token file, which is read again', async () => {
    const tokens = new Set(['one']);
    const { server, source: make, writeKubeconfig } = await clusterOfTest({ tokens });
    const tokenFile = join(directoryOfTest(), 'token');
    writeFileSync(tokenFile, 'one\n');
    writeKubeconfig({ tokenFile, token: 'stale' });
    const source = make({ Service: {} });
    await source.start();
    writeFileSync(tokenFile, 'two\n');
    tokens.clear();
    tokens.add('two');
    server.cutConnections();
    server.database.create(serviceInput('web'));
    await eventually(() => source.services.size === 1, 'the service');
    expect(server.requests.at(-1)?.authorization).toBe('Bearer two');
  });
});

describe('a configuration that is wrong', () => {
  const kubeconfig = (value: unknown): ClusterAccess => {
    const path = join(directoryOfTest(), 'config');
    writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value));
    return { type: 'kubeconfig', path };
  };
  const config = (more: object = {}) => ({
    clusters: [{ name: 'c', cluster: { server: 'https://192.0.2.1' } }],
    users: [{ name: 'u', user: {} }],
    contexts: [
      { name: 'a', context: { cluster: 'c', user: 'u' } },
      { name: 'b', context: { cluster: 'x', user: 'u' } },
      { name: 'd', context: { cluster: 'c', user: 'x' } },
    ],
    'current-context': 'a',
    ...more,
  });

  it.each<[string, () => ClusterAccess, RegExp]>([
    [
      'no file',
      () => ({ type: 'kubeconfig', path: '/nowhere/config' }),
      /^kubeconfig \/nowhere\/config: cannot be read: ENOENT/,
    ],
    ['no YAML', () => kubeconfig('{'), /config:1:2: unexpected end of the stream within a flow collection/],
    ['an empty file', () => kubeconfig(''), /config: /],
    [
      'no such context',
      () => ({ ...kubeconfig(config()), context: 'z' }) as ClusterAccess,
      /no context 'z' \(there are: a, b, d\)$/,
    ],
    [
      'no current context',
      () => kubeconfig(config({ 'current-context': '' })),
      /no current-context; name a context \(there are: a, b, d\)/,
    ],
    [
      'no such cluster',
      () => kubeconfig(config({ 'current-context': 'b' })),
      /context 'b' names the cluster 'x', which is not there/,
    ],
    [
      'no such user',
      () => kubeconfig(config({ 'current-context': 'd' })),
      /context 'd' names the user 'x', which is not there/,
    ],
    [
      'no URL',
      () => kubeconfig(config({ clusters: [{ name: 'c', cluster: { server: 'ftp://x' } }] })),
      /cluster 'c': server 'ftp:\/\/x' is no http:\/\/ or https:\/\/ URL/,
    ],
    ['no pod', () => ({ type: 'in-cluster' }), /^not in a pod of a cluster: KUBERNETES_SERVICE_HOST/],
  ])('%s', async (_, access, message) => {
    const source = new ApiSource({ access: access(), resources: { Service: {} } });
    const error = await source.start().catch((error: unknown) => error);
    expect(KubernetesApiError.is(error) && error.code).toBe('CONFIG');
    expect(error).toHaveProperty('message', expect.stringMatching(message));
  });
});
