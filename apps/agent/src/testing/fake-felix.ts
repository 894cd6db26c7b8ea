import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { encodeFrame, FrameDecoder } from '@infra-offload/felix';
import { felix } from '@infra-offload/infra-api';
import { build } from 'tsup';
import options from '../../tsup.config.js';

/** Builds felix-api-proxy as it is installed. @returns its path. */
export async function buildFelixProxy(directory: string): Promise<string> {
  const configurations = [options].flat().filter((one) => typeof one === 'object');
  const proxy = configurations.find(({ entry }) => String(entry).includes('felix-api-proxy'));
  if (proxy === undefined) throw new Error('the build has no felix-api-proxy');
  const entry = [join(import.meta.dirname, '..', 'felix-api-proxy.ts')];
  await build({ ...proxy, entry, outDir: directory, silent: true, config: false });
  return join(directory, 'felix-api-proxy.js');
}

/** felix-api-proxy, started as Felix starts its dataplane driver: with descriptors 3 and 4. */
export class FelixDriver {
  readonly child: ChildProcess;
  /** What Felix writes to, and reads from. */
  readonly toDriver: Writable;
  readonly fromDriver: Readable;
  /** Exit code, and what it said. */
  readonly ended: Promise<string>;

  constructor(program: string, socketPath: string) {
    this.child = spawn(process.execPath, [program], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, FELIX_API_PROXY_SOCKET: socketPath },
    });
    const [, , stderr, toDriver, fromDriver] = this.child.stdio;
    if (!isWritable(toDriver) || !isReadable(fromDriver) || !isReadable(stderr)) throw new Error('no pipes');
    this.toDriver = toDriver;
    this.fromDriver = fromDriver;
    const said: Buffer[] = [];
    stderr.on('data', (chunk: Buffer) => said.push(chunk));
    toDriver.on('error', () => {});
    this.ended = once(this.child, 'close').then(
      ([code]) => `${code} ${Buffer.concat(said).toString().trim()}`,
    );
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}

type Payload = NonNullable<felix.ToDataplane['payload']>;

/** Felix for tests: says what the test wants, through its driver, and keeps what it hears. */
export class FakeFelix {
  readonly driver: FelixDriver;
  readonly heard: NonNullable<felix.FromDataplane['payload']>[] = [];
  #sequenceNumber = 0n;

  constructor(program: string, socketPath: string) {
    this.driver = new FelixDriver(program, socketPath);
    const decoder = new FrameDecoder();
    this.driver.fromDriver.on('data', (chunk: Buffer) => {
      for (const frame of decoder.push(chunk)) {
        const { payload } = felix.FromDataplane.decode(frame);
        if (payload !== undefined) this.heard.push(payload);
      }
    });
  }

  say(...payloads: readonly Payload[]): void {
    for (const payload of payloads) {
      this.#sequenceNumber += 1n;
      const sequenceNumber = this.#sequenceNumber;
      this.write(encodeFrame(felix.ToDataplane.encode({ sequenceNumber, payload }).finish()));
    }
  }

  write(bytes: Uint8Array): void {
    this.driver.toDriver.write(bytes);
  }

  /** The last status of an endpoint that it has heard; undefined if it was taken back. */
  statusOf(workloadId: string): string | undefined {
    let status: string | undefined;
    for (const payload of this.heard) {
      if (payload.$case === 'workloadEndpointStatusUpdate' && payload.value.id?.workloadId === workloadId) {
        status = payload.value.status?.status;
      } else if (
        payload.$case === 'workloadEndpointStatusRemove' &&
        payload.value.id?.workloadId === workloadId
      ) {
        status = undefined;
      }
    }
    return status;
  }

  stop(): void {
    this.driver.kill();
  }
}

const isWritable = (stream: unknown): stream is Writable =>
  typeof stream === 'object' && stream !== null && 'write' in stream;
const isReadable = (stream: unknown): stream is Readable =>
  typeof stream === 'object' && stream !== null && 'read' in stream;

const rule = (fields: Partial<felix.Rule>) => felix.Rule.fromPartial(fields);
const tcp: felix.Protocol = { numberOrName: { $case: 'name', value: 'tcp' } };

/** What Felix of Calico 3.26 says to a driver, in its order, of a cluster with one policy for the pods of `ns`. */
export const session = {
  config: {
    $case: 'configUpdate',
    value: { config: { ReportingIntervalSecs: '30', EndpointReportingEnabled: 'true' } },
  },
  host: { $case: 'hostMetadataUpdate', value: { hostname: 'node-1', ipv4Addr: '192.0.2.1' } },
  pool: {
    $case: 'ipamPoolUpdate',
    value: { id: 'default', pool: { cidr: '10.244.0.0/16', masquerade: true } },
  },
  set: {
    $case: 'ipsetUpdate',
    value: { id: 's:clients', members: ['10.244.7.9', '10.244.7.10'], type: felix.IPSetUpdate_IPSetType.IP },
  },
  profile: {
    $case: 'activeProfileUpdate',
    value: {
      id: { name: 'kns.ns' },
      profile: { inboundRules: [rule({ action: 'allow' })], outboundRules: [rule({ action: 'allow' })] },
    },
  },
  policy: {
    $case: 'activePolicyUpdate',
    value: {
      id: { tier: 'default', name: 'ns/knp.default.web' },
      policy: {
        namespace: 'ns',
        inboundRules: [
          rule({
            action: 'allow',
            protocol: tcp,
            srcIpSetIds: ['s:clients'],
            dstPorts: [{ first: 80, last: 80 }],
          }),
        ],
        outboundRules: [],
        untracked: false,
        preDnat: false,
      },
    },
  },
  inSync: { $case: 'inSync', value: {} },
} as const satisfies Record<string, Payload>;

/** The endpoint of a pod that the policy selects. */
export function endpointOf(name: string, address = '10.244.7.2'): Payload {
  return {
    $case: 'workloadEndpointUpdate',
    value: {
      id: { orchestratorId: 'k8s', workloadId: name, endpointId: 'eth0' },
      endpoint: felix.WorkloadEndpoint.fromPartial({
        state: 'active',
        name: 'cali12345',
        profileIds: ['kns.ns'],
        ipv4Nets: [`${address}/32`],
        tiers: [{ name: 'default', ingressPolicies: ['ns/knp.default.web'] }],
      }),
    },
  };
}
