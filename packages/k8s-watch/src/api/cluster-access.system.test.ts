import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { clusterOfTest, directoryOfTest, eventually, statusOf } from '../testing/test-cluster.js';

describe('credentials', () => {
  it('come from an exec plugin, whose failure is reported', async () => {
    const { source: make, writeKubeconfig } = await clusterOfTest({ tokens: new Set(['from-plugin']) });
    const plugin = join(directoryOfTest(), 'plugin');
    writeFileSync(plugin, '#!/bin/sh\necho no luck >&2\nexit 1\n');
    chmodSync(plugin, 0o755);
    writeKubeconfig({
      exec: { apiVersion: 'client.authentication.k8s.io/v1', command: plugin, interactiveMode: 'Never' },
    });
    const source = make({ Service: {} });
    const started = source.start();
    await eventually(() => source.problems.length > 0, 'a problem');
    expect(source.problems[0]?.message).toBe('cannot list services: the credentials cannot be read: no luck');
    const credential = { kind: 'ExecCredential', status: { token: 'from-plugin' } };
    writeFileSync(plugin, `#!/bin/sh\ncat <<E\n${JSON.stringify(credential)}\nE\n`);
    await started;
    expect(source.problems).toEqual([]);
  });

  it('are not waited for any longer when the source is stopped', async () => {
    const { source: make, writeKubeconfig } = await clusterOfTest();
    writeKubeconfig({
      exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'sleep', args: ['20'] },
    });
    const source = make({ Service: {} }, { answerMs: 100 });
    void source.start();
    await eventually(() => source.problems.length > 0, 'a problem');
    expect(source.problems[0]?.message).toBe(
      'cannot list services: the credentials are not there after 0.1 s',
    );
    const began = performance.now();
    await source.stop();
    expect(performance.now() - began).toBeLessThan(19_000);
  });

  it('may be a client certificate, over TLS', async () => {
    const { key, cert } = certificate();
    const { source: make, writeKubeconfig } = await clusterOfTest({ tls: { key, cert, clientCa: cert } });
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    writeKubeconfig({ 'client-certificate-data': base64(cert), 'client-key-data': base64(key) });
    const source = make({ Service: {} });
    await source.start();
    expect(statusOf(source, 'Service').failures).toBe(0);
    writeKubeconfig({});
    const anonymous = make({ Service: {} });
    void anonymous.start();
    await eventually(() => anonymous.problems[0]?.code === 'UNAUTHORIZED', 'refused');
  });

  it('do not go to a server whose certificate is not trusted', async () => {
    const { source: make, kubeconfig } = await clusterOfTest({ tls: certificate() });
    const config = JSON.parse(readFileSync(kubeconfig, 'utf8'));
    config.clusters[0].cluster['certificate-authority-data'] = Buffer.from(certificate().cert).toString(
      'base64',
    );
    writeFileSync(kubeconfig, JSON.stringify(config));
    const source = make({ Service: {} });
    void source.start();
    await eventually(() => source.problems[0]?.code === 'UNREACHABLE', 'refused');
    expect(source.problems[0]?.message).toMatch(/certificate/);
  });
});

/** Self-signed, for 127.0.0.1. */
function certificate(): { readonly key: string; readonly cert: string } {
  const path = directoryOfTest();
  const [key, cert] = [join(path, 'key.pem'), join(path, 'cert.pem')];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=test',
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-keyout',
      key,
      '-out',
      cert,
    ],
    { stdio: 'pipe' },
  );
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
}
