import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ServiceError, status } from '@grpc/grpc-js';
import { OffloadClient } from '@infra-offload/infra-api';
import { createTree, filesOf, LEAVES, type Role } from '@infra-offload/tls-certs';
import { openClientSecurity } from '@infra-offload/tls-certs/grpc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Manager } from './manager.js';
import { pod } from './testing/agent.js';
import { ready, TestWorld } from './testing/world.js';

const tree = mkdtempSync(join(tmpdir(), 'manager-tls-'));
const world = new TestWorld();
let manager: Manager;

beforeAll(async () => {
  await createTree(tree, { bits: 2048 });
  await world.startTarget();
  manager = await world.startManager({ tls: files('manager') });
  await ready(manager);
});
afterAll(async () => {
  await world.stop();
  rmSync(tree, { recursive: true, force: true });
});

function files(role: Role) {
  const leaf = LEAVES.find((candidate) => candidate.role === role);
  if (leaf === undefined) throw new Error(`no certificate for ${role}`);
  return filesOf(tree, leaf);
}

/** The code of a call's end. */
async function code(
  role: Role,
  call: (client: OffloadClient, done: (error: ServiceError | null) => void) => void,
) {
  const { credentials, source } = openClientSecurity({ mode: 'mtls', ...files(role) }, 'manager');
  const client = new OffloadClient(manager.address, credentials);
  try {
    return await new Promise<string>((resolve) => {
      call(client, (error) => resolve(status[error?.code ?? status.OK]));
    });
  } finally {
    client.close();
    source?.close();
  }
}

it('the metrics tell when the certificates end', async () => {
  const text = await (await fetch(`http://${manager.monitoringAddress}/metrics`)).text();
  const [, seconds = ''] = /certificate_expiry_timestamp_seconds\{use="server"\} (\d+)/.exec(text) ?? [];
  expect(Number(seconds) * 1000).toBeGreaterThan(Date.now());
  expect(text).toContain('infra_manager_certificate_valid{use="server"} 1');
  expect(text).toContain('infra_manager_ready 1');
  expect(text).toContain('infra_manager_state_not_storable_timestamp_seconds 0');
});

describe.each<[Role, { look: string; change: string }]>([
  ['agent', { look: 'OK', change: 'OK' }],
  ['operator', { look: 'OK', change: 'PERMISSION_DENIED' }],
  ['controller', { look: 'PERMISSION_DENIED', change: 'PERMISSION_DENIED' }],
])('the certificate of a %s', (role, { look, change }) => {
  it(`Status and ListEntries: ${look}`, async () => {
    expect(await code(role, (client, done) => client.status({ allObjects: false }, done))).toBe(look);
    const listing = await code(role, (client, done) => {
      const stream = client.listEntries({ table: '', object: undefined });
      stream.on('data', () => {});
      stream.on('error', done);
      stream.on('end', () => done(null));
    });
    expect(listing).toBe(look);
  });

  it(`AddPod, DeletePod and Sync: ${change}`, async () => {
    expect(await code(role, (client, done) => client.addPod({ pod: pod(1) }, done))).toBe(change);
    expect(await code(role, (client, done) => client.deletePod({ attachmentId: 'c1/eth0' }, done))).toBe(
      change,
    );
    const sync = await code(role, (client, done) => {
      const stream = client.sync();
      stream.on('data', () => {});
      stream.on('error', done);
      stream.on('end', () => done(null));
      stream.end();
    });
    expect(sync).toBe(change);
  });
});

it('certificates and cipher suites that cannot be used end the start with one line', async () => {
  const { ca, cert, key } = files('manager');
  await expect(world.startManager({ tls: { ca, cert, key: files('agent').key } })).rejects.toThrow(
    expect.objectContaining({
      code: 'CONFIG',
      message: expect.stringMatching(/^tls: \S+tls\.key: the private key is not that/),
    }),
  );
  await expect(
    world.startManager({ tls: { ca, cert, key, cipherSuites: ['TLS_RSA_WITH_RC4_128_SHA'] } }),
  ).rejects.toThrow(
    /^tls: cipher suite 'TLS_RSA_WITH_RC4_128_SHA' cannot be used; valid here: TLS_AES_128_GCM_SHA256, /,
  );
  await expect(
    world.startManager({
      tls: { mode: 'insecure' },
      target: { gnmiTls: { mode: 'tls', ca: '/nowhere/ca.crt' } },
    }),
  ).rejects.toThrow(/^target\.gnmiTls: \/nowhere\/ca\.crt cannot be read/);
});
