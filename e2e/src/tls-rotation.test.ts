import { X509Certificate } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import {
  AddPodRequest,
  type Change,
  OffloadClient,
  Protocol,
  type StatusResponse,
  type SyncResponse,
} from '@infra-offload/infra-api';
import { MemoryPorts, Softswitch } from '@infra-offload/softswitch';
import { programs } from '@infra-offload/testbed';
import {
  createTree,
  filesOf,
  type IdentityFiles,
  LEAVES,
  type Role,
  renewTree,
} from '@infra-offload/tls-certs';
import { openClientSecurity, openServerSecurity } from '@infra-offload/tls-certs/grpc';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { managerAddresses, type Program, TlsFixture, until } from './tls-fixture.js';

/** Times that all certificates are replaced, and services that come and go meanwhile. */
const ROTATIONS = 4;
const SERVICES = 50;

const fixture = new TlsFixture();
const tree = join(fixture.directory, 'tree');
/** As a Secret's volume has it: files are links into a directory that is exchanged at once. */
const volume = join(fixture.directory, 'volume');
const closers: (() => unknown)[] = [];
let manager: Program;
let addresses: { readonly listen: string; readonly metrics: string };
let agent: Agent;
let target: Softswitch;
let generation = 0;

function files(role: Role): IdentityFiles {
  const leaf = LEAVES.find((candidate) => candidate.role === role);
  if (leaf === undefined) throw new Error(`no certificate for ${role}`);
  return filesOf(tree, leaf);
}

/** What the kubelet does when a Secret has changed. */
function publish(): void {
  const { ca, cert, key } = files('manager');
  const data = `..data-${generation++}`;
  mkdirSync(join(volume, data), { recursive: true });
  for (const [from, to] of Object.entries({ [ca]: 'ca.crt', [cert]: 'tls.crt', [key]: 'tls.key' })) {
    cpSync(from, join(volume, data, to));
    if (generation === 1) symlinkSync(join('..data', to), join(volume, to));
  }
  symlinkSync(data, join(volume, '..data.new'));
  renameSync(join(volume, '..data.new'), join(volume, '..data'));
}

const mounted = { ca: join(volume, 'ca.crt'), cert: join(volume, 'tls.crt'), key: join(volume, 'tls.key') };

/** Plays infra-agent: one Sync stream, and single calls. */
class Agent {
  readonly #security = openClientSecurity({ mode: 'mtls', ...files('agent') }, 'manager');
  readonly #client = new OffloadClient(addresses.listen, this.#security.credentials);
  readonly #stream = this.#client.sync();
  #revision = 0n;
  #applied = 0n;
  /** Why the stream ended, if it did. */
  error: Error | undefined;

  constructor() {
    this.#stream.on('data', ({ appliedRevision }: SyncResponse) => {
      this.#applied = appliedRevision;
    });
    this.#stream.on('error', (error) => {
      this.error = error;
    });
    this.#stream.on('end', () => {
      this.error ??= new Error('the stream ended');
    });
  }

  async send(...bodies: NonNullable<Change['change']>[]): Promise<void> {
    this.#stream.write({ changes: bodies.map((change) => ({ revision: ++this.#revision, change })) });
    const revision = this.#revision;
    await until(`revision ${revision}`, () => {
      if (this.error !== undefined) throw this.error;
      return this.#applied >= revision || undefined;
    });
  }

  addPod(number: number): Promise<void> {
    const pod = {
      attachmentId: `c${number}/eth0`,
      namespace: 'default',
      name: `pod-${number}`,
      interfaceName: `mem${number}`,
      mac: `02:00:00:00:01:0${number}`,
      addresses: [`10.244.1.${number}`],
    };
    return new Promise((resolve, reject) => {
      this.#client.addPod(AddPodRequest.fromPartial({ pod }), (error) =>
        error === null ? resolve() : reject(error),
      );
    });
  }

  status(): Promise<StatusResponse> {
    return new Promise((resolve, reject) => {
      this.#client.status({ allObjects: true }, (error, response) =>
        error === null ? resolve(response) : reject(error),
      );
    });
  }

  close(): void {
    this.#stream.cancel();
    this.#client.close();
    this.#security.source?.close();
  }
}

function service(number: number, endpoint: number): NonNullable<Change['change']> {
  const value = {
    namespace: 'default',
    name: `service-${number}`,
    portName: '',
    protocol: Protocol.PROTOCOL_TCP,
    frontends: [{ address: `10.96.0.${number + 1}`, port: 80 }],
    endpoints: [{ address: `10.244.2.${endpoint + 1}`, port: 8080, weight: 1 }],
    sessionAffinity: undefined,
    hasEndpointsElsewhere: false,
    conditions: [],
  };
  return { $case: 'upsert', value: { object: { $case: 'service', value } } };
}

/** Serial number of the certificate that a new connection gets to see. */
function serialAt(address: string, client: IdentityFiles): Promise<string> {
  const [host, port] = address.split(':');
  const [ca, cert, key] = [client.ca, client.cert, client.key].map((file) => readFileSync(file));
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(port), ca, cert, key, ALPNProtocols: ['h2'] }, () => {
      resolve(socket.getPeerX509Certificate()?.serialNumber ?? '');
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

const serialOf = (file: string) => new X509Certificate(readFileSync(file)).serialNumber;

async function startTarget(p4runtimeAddress: string, gnmiAddress: string): Promise<Softswitch> {
  const security = openServerSecurity({ mode: 'mtls', ...files('target') });
  if (security.mode !== 'insecure') closers.push(() => security.source.close());
  return Softswitch.start({ p4runtimeAddress, gnmiAddress, ports: new MemoryPorts(8), security });
}

async function readyz(): Promise<{ readonly ok: boolean; readonly text: string }> {
  const response = await fetch(`http://${addresses.metrics}/readyz`);
  return { ok: response.ok, text: (await response.text()).trim() };
}

const ready = () => until('the manager to be ready', async () => (await readyz()).ok || undefined);

beforeAll(async () => {
  await createTree(tree, { bits: 2048 });
  publish();
  target = await startTarget('127.0.0.1:0', '127.0.0.1:0');
  closers.push(() => target.stop());
  const controller = { ...files('controller'), mode: 'mtls' };
  manager = fixture.run(programs.manager, {
    listen: '127.0.0.1:0',
    monitoring: { listen: '127.0.0.1:0' },
    stateDirectory: fixture.path('state'),
    tls: mounted,
    target: {
      p4runtimeAddress: target.p4runtimeAddress,
      p4runtimeTls: controller,
      gnmiAddress: target.gnmiAddress,
      gnmiTls: controller,
    },
  });
  addresses = await managerAddresses(manager);
  await ready();
  agent = new Agent();
  closers.push(() => agent.close());
  await agent.send(
    { $case: 'snapshotBegin', value: { nodeName: 'node-1' } },
    { $case: 'snapshotEnd', value: {} },
  );
});

afterAll(async () => {
  for (const close of closers.reverse()) await close();
  await fixture.remove();
});

it('certificates are replaced under load: no stream ends, nothing is lost, new connections use the new ones', async () => {
  let stop = false;
  let rounds = 0;
  const load = (async () => {
    for (; !stop; rounds++)
      for (let i = 0; i < SERVICES; i += 10) {
        await agent.send(...Array.from({ length: 10 }, (_, k) => service(i + k, rounds % 200)));
        await agent.status();
      }
  })();
  for (let rotation = 0; rotation < ROTATIONS; rotation++) {
    const before = serialOf(files('manager').cert);
    await renewTree(tree, { bits: 2048 });
    publish();
    const wanted = {
      [addresses.listen]: serialOf(files('manager').cert),
      [target.p4runtimeAddress]: serialOf(files('target').cert),
    };
    expect(wanted[addresses.listen]).not.toBe(before);
    const client = { [addresses.listen]: files('agent'), [target.p4runtimeAddress]: files('controller') };
    for (const [address, serial] of Object.entries(wanted)) {
      await until(`the new certificate at ${address}`, async () => {
        const seen = await serialAt(address, client[address] ?? files('agent'));
        return seen === serial || undefined;
      });
    }
    const roundsThen = rounds;
    await until('the load to go on', () => rounds > roundsThen || undefined);
    await agent.addPod(rotation + 1);
  }
  stop = true;
  await load;

  expect(agent.error).toBeUndefined();
  const { objects, degraded, pending, target: device } = await agent.status();
  const programmed = objects.map(({ object }) => object?.name ?? '').sort();
  expect(programmed).toEqual(
    [
      ...Array.from({ length: ROTATIONS }, (_, i) => `c${i + 1}/eth0`),
      ...Array.from({ length: SERVICES }, (_, i) => `default/service-${i}:/TCP`),
    ].sort(),
  );
  expect({ degraded, pending, connected: device?.connected }).toEqual({
    degraded: 0,
    pending: 0,
    connected: true,
  });
  // One session with the target, and one stream of the agent, all the time.
  const lines = manager.stderr.split('\n');
  expect(lines.filter((line) => line.includes('"msg":"primary"'))).toHaveLength(1);
  expect(lines.filter((line) => line.includes('the agent connected'))).toHaveLength(1);
  expect((await readyz()).ok).toBe(true);
});

it('the manager comes back to a restarted target with the certificate that it has now', async () => {
  const { p4runtimeAddress, gnmiAddress } = target;
  await target.stop();
  await until('the manager to notice', async () => !(await readyz()).ok || undefined);
  target = await startTarget(p4runtimeAddress, gnmiAddress);
  await ready();
  await agent.send(service(0, 1));
  expect(agent.error).toBeUndefined();
});

it('a key that does not fit fails readiness with the reason; the last good certificate stays in use until it is right', async () => {
  const serial = await serialAt(addresses.listen, files('agent'));
  const { cert } = files('manager');
  const good = readFileSync(cert);
  writeFileSync(cert, readFileSync(files('operator').cert));
  publish();
  const { text } = await until('the manager not to be ready', async () => {
    const found = await readyz();
    return found.ok ? undefined : found;
  });
  expect(text).toMatch(
    /tls\.key: the private key is not that of the certificate in \S+tls\.crt \(CN=infra-operator\); the last good certificate stays in use \(since \S+\)$/,
  );
  expect(await serialAt(addresses.listen, files('agent'))).toBe(serial);
  await agent.send(service(1, 1));
  expect(manager.stderr).toMatch(/"msg":"certificates cannot be used"/);

  writeFileSync(cert, good);
  publish();
  await ready();
  expect(agent.error).toBeUndefined();
});
