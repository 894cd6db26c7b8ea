import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { felix } from '@infra-offload/infra-api';

type Payload = NonNullable<felix.ToDataplane['payload']>;

const program = fileURLToPath(new URL('../../../apps/agent/dist/felix-api-proxy.js', import.meta.url));

/** Plays Felix: starts its dataplane driver with descriptors 3 and 4, and tells it what the test wants. */
export class FakeFelix {
  readonly #driver: ChildProcess;
  readonly #toDriver: Writable;

  constructor(socketPath: string) {
    this.#driver = spawn(process.execPath, [program], {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe'],
      env: { ...process.env, FELIX_API_PROXY_SOCKET: socketPath },
    });
    const [, , , toDriver, fromDriver] = this.#driver.stdio;
    if (!(toDriver instanceof Writable) || !(fromDriver instanceof Readable)) throw new Error('no pipes');
    toDriver.on('error', () => {});
    fromDriver.resume();
    this.#toDriver = toDriver;
  }

  say(...payloads: readonly Payload[]): void {
    for (const payload of payloads) {
      const message = felix.ToDataplane.encode({ sequenceNumber: 0n, payload }).finish();
      const header = Buffer.alloc(8);
      header.writeBigUInt64LE(BigInt(message.length));
      this.#toDriver.write(Buffer.concat([header, message]));
    }
  }

  async stop(): Promise<void> {
    if (this.#driver.exitCode !== null || this.#driver.signalCode !== null) return;
    const ended = once(this.#driver, 'close');
    this.#driver.kill('SIGKILL');
    await ended;
  }
}

const rule = (fields: Partial<felix.Rule>): felix.Rule => felix.Rule.fromPartial(fields);
const TCP: felix.Protocol = { numberOrName: { $case: 'name', value: 'tcp' } };
const everything = [rule({ action: 'allow' })];

export const IN_SYNC: Payload = { $case: 'inSync', value: {} };

/** The profile of a namespace, as Calico makes it: everything is allowed that no policy has decided about. */
export const profile: Payload = {
  $case: 'activeProfileUpdate',
  value: { id: { name: 'kns.default' }, profile: { inboundRules: everything, outboundRules: everything } },
};

export function clients(...addresses: readonly string[]): Payload {
  const type = felix.IPSetUpdate_IPSetType.IP;
  return { $case: 'ipsetUpdate', value: { id: 's:clients', members: [...addresses], type } };
}

export function changeClients(addedMembers: string[], removedMembers: string[]): Payload {
  return { $case: 'ipsetDeltaUpdate', value: { id: 's:clients', addedMembers, removedMembers } };
}

export function policy(tier: string, name: string, ...inboundRules: felix.Rule[]): Payload {
  const value = felix.ActivePolicyUpdate.fromPartial({ id: { tier, name }, policy: { inboundRules } });
  return { $case: 'activePolicyUpdate', value };
}

export const allowClients = (port: number): felix.Rule =>
  rule({
    action: 'allow',
    protocol: TCP,
    srcIpSetIds: ['s:clients'],
    dstPorts: [{ first: port, last: port }],
  });
export const passClients: felix.Rule = rule({ action: 'pass', srcIpSetIds: ['s:clients'] });

/** The endpoint of a pod, with the names of policies for each tier, in order. */
export function endpoint(
  name: string,
  address: string,
  tiers: Readonly<Record<string, string>> = {},
): Payload {
  return {
    $case: 'workloadEndpointUpdate',
    value: {
      id: { orchestratorId: 'k8s', workloadId: `default/${name}`, endpointId: 'eth0' },
      endpoint: felix.WorkloadEndpoint.fromPartial({
        state: 'active',
        profileIds: ['kns.default'],
        ipv4Nets: [`${address}/32`],
        tiers: Object.entries(tiers).map(([tier, policy]) => ({ name: tier, ingressPolicies: [policy] })),
      }),
    },
  };
}

export function removeEndpoint(name: string): Payload {
  const id = { orchestratorId: 'k8s', workloadId: `default/${name}`, endpointId: 'eth0' };
  return { $case: 'workloadEndpointRemove', value: { id } };
}
