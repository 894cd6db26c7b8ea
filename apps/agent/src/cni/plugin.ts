import {
  CniError,
  CniErrorCode,
  type CniInvocation,
  type CniVersion,
  excerpt,
  formatResult,
  isAtLeast,
  isSupportedVersion,
  LATEST_VERSION,
  type PluginConfig,
  parseAddressPrefix,
  parseEnvironment,
  parseJson,
  parsePluginConfig,
  parseResult,
  type Result,
  SUPPORTED_VERSIONS,
} from '@infra-offload/cni-types';
import { formatIPv4, POD_GATEWAY } from '@infra-offload/net';
import { DEFAULT_SOCKET_PATH } from '../cni-socket.js';
import { AgentClient } from './agent-client.js';
import { checkAttachmentIdLength } from './attachment-id-length.js';
import { readBandwidth } from './bandwidth.js';
import { type AddressAssignment, type Ipam, selectIpam, tryParse } from './ipam.js';
import type { AttachResponse } from './protocol.js';

/** Longest path of a unix socket (unix(7)), less the terminating zero. */
const MAX_SOCKET_PATH = 107;

/** The next hop of every pod; the pipeline answers ARP requests for it. */
const gateway = formatIPv4(POD_GATEWAY);

/** What a run of the plugin leaves for the runtime. */
export interface PluginOutcome {
  /** For standard output; empty for operations without a result. */
  readonly output: string;
  readonly exitCode: 0 | 1;
}

type Environment = Readonly<Record<string, string | undefined>>;
type PodInvocation = Extract<CniInvocation, { readonly netns: string }>;
type DelInvocation = Extract<CniInvocation, { readonly command: 'DEL' }>;

/** What every operation works with. */
interface Context {
  readonly config: PluginConfig;
  readonly agent: AgentClient;
  readonly ipam: Ipam;
}

/** infra-cni as a function: the CNI_ environment and standard input in, standard output and exit code out. */
export async function runPlugin(env: Environment, stdin: string): Promise<PluginOutcome> {
  const version = versionOf(tryParse(stdin));
  try {
    const invocation = parseEnvironment(env);
    if (invocation.command === 'VERSION') return success(reportVersion(stdin, version));
    const config = parsePluginConfig(stdin);
    const context: Context = {
      config,
      agent: new AgentClient(readSocketPath(config)),
      ipam: selectIpam(invocation.command, { config, stdin, env, path: invocation.path }),
    };
    switch (invocation.command) {
      case 'ADD':
        return success(formatResult(await add(invocation, context), config.cniVersion));
      case 'DEL':
        await del(invocation, context);
        return success();
      case 'CHECK':
        await check(invocation, context);
        return success();
      case 'GC':
        await collectGarbage(context);
        return success();
      case 'STATUS':
        await status(context);
        return success();
      default:
        return invocation satisfies never;
    }
  } catch (error) {
    return { output: `${JSON.stringify(CniError.from(error).toResult(version))}\n`, exitCode: 1 };
  }
}

function success(result?: object): PluginOutcome {
  return { output: result === undefined ? '' : `${JSON.stringify(result)}\n`, exitCode: 0 };
}

/** The agent is asked first, so that nothing is taken from IPAM, nor given back, for a pod that cannot be attached. */
async function add(invocation: PodInvocation, { config, agent, ipam }: Context): Promise<Result> {
  const { containerId, ifname, netns, args } = invocation;
  checkAttachmentIdLength(invocation);
  const previous = config.prevResult === undefined ? undefined : readPrevResult(config);
  const mtu = readMtu(config);
  const bandwidth = readBandwidth(config.runtimeConfig?.bandwidth);
  await agent.call('prepare', { containerId, ifname, netns });
  const assignment = await ipam.add();
  try {
    const attached = await agent.call('attach', {
      containerId,
      ifname,
      netns,
      network: config.name,
      pod: { namespace: args.podNamespace ?? '', name: args.podName ?? '' },
      address: assignment.address,
      mtu,
      routes: assignment.routes,
      bandwidth,
    });
    return resultOf(invocation, config, assignment, attached, previous);
  } catch (error) {
    await ipam
      .del()
      .catch((cause: unknown) => console.error(`after a failed ADD: ${CniError.from(cause).message}`));
    throw error;
  }
}

/** What earlier plugins of the chain have made stays, ours comes after it. */
function resultOf(
  { ifname, netns }: PodInvocation,
  config: PluginConfig,
  { address, routes, dns }: AddressAssignment,
  { mac, mtu }: AttachResponse,
  previous: Result = { interfaces: [], ips: [], routes: [], dns: {} },
): Result {
  return {
    interfaces: [...previous.interfaces, { name: ifname, mac, mtu, sandbox: netns }],
    ips: [...previous.ips, { address: `${address}/32`, gateway, interface: previous.interfaces.length }],
    routes: [...previous.routes, ...routes.map((route) => ({ ...route, gw: gateway }))],
    dns: { ...previous.dns, ...(config.dns ?? dns) },
  };
}

/** The address is given back even if the agent fails; the runtime then comes again for the rest. */
async function del({ containerId, ifname }: DelInvocation, { agent, ipam }: Context): Promise<void> {
  try {
    await agent.call('detach', { containerId, ifname });
  } finally {
    await ipam.del();
  }
}

async function check(
  { containerId, ifname, netns }: PodInvocation,
  { config, agent, ipam }: Context,
): Promise<void> {
  if (!isAtLeast(config.cniVersion, '0.4.0')) {
    throw new CniError(
      CniErrorCode.incompatibleVersion,
      `CHECK needs CNI version 0.4.0, not ${config.cniVersion}`,
    );
  }
  const result = readPrevResult(config);
  const index = result.interfaces.findIndex((entry) => entry.name === ifname && entry.sandbox);
  const own = result.interfaces[index];
  if (own === undefined) {
    throw new CniError(CniErrorCode.invalidConfig, `prevResult has no interface ${ifname} of the container`);
  }
  await ipam.check();
  await agent.call('check', {
    containerId,
    ifname,
    netns,
    mac: own.mac,
    addresses: result.ips
      .filter((ip) => ip.interface === index)
      .map(({ address }) => parseAddressPrefix(address)?.address ?? address),
  });
}

/** An IPAM plugin without GC knows DEL, so each address is given back by that. */
async function collectGarbage({ config, agent, ipam }: Context): Promise<void> {
  if (config.validAttachments === undefined) {
    throw new CniError(
      CniErrorCode.invalidConfig,
      'GC without cni.dev/valid-attachments would detach every pod of the network; give an empty list if that is intended',
    );
  }
  const { garbage } = await agent.call('garbage', { network: config.name, valid: config.validAttachments });
  const failures: string[] = [];
  for (const key of garbage) {
    try {
      // The address first: what the agent still knows, the next GC names again.
      await ipam.release(key);
      await agent.call('detach', key);
    } catch (error) {
      failures.push(`${key.containerId}/${key.ifname}: ${CniError.from(error).message}`);
    }
  }
  if (isAtLeast(config.cniVersion, '1.1.0')) await ipam.pass('GC');
  if (failures.length > 0) throw new CniError(CniErrorCode.internal, failures.join('; '));
}

async function status({ config, agent, ipam }: Context): Promise<void> {
  try {
    await agent.call('status', {});
  } catch (error) {
    const { message, code } = CniError.from(error);
    if (code !== CniErrorCode.tryAgainLater) throw error;
    throw new CniError(CniErrorCode.notAvailable, message, { cause: error });
  }
  await ipam.requireVersion(config.cniVersion);
  if (isAtLeast(config.cniVersion, '1.1.0')) await ipam.pass('STATUS');
}

/** What is answered in: the version of the configuration, or else the newest. */
function versionOf(config: unknown): CniVersion {
  const version =
    typeof config === 'object' && config !== null && 'cniVersion' in config ? config.cniVersion : undefined;
  return isSupportedVersion(version) ? version : LATEST_VERSION;
}

function reportVersion(stdin: string, cniVersion: CniVersion): object {
  if (stdin.trim() !== '') parseJson(stdin, 'standard input');
  return { cniVersion, supportedVersions: SUPPORTED_VERSIONS };
}

function readPrevResult(config: PluginConfig): Result {
  if (config.prevResult === undefined) {
    throw new CniError(
      CniErrorCode.invalidConfig,
      'the network configuration lacks prevResult, which CHECK needs',
    );
  }
  return parseResult(config.prevResult, 'prevResult', CniErrorCode.invalidConfig);
}

function readSocketPath(config: PluginConfig): string {
  const { socket = DEFAULT_SOCKET_PATH } = config;
  if (
    typeof socket === 'string' &&
    /^\/[^\0]*$/.test(socket) &&
    Buffer.byteLength(socket) <= MAX_SOCKET_PATH
  ) {
    return socket;
  }
  throw new CniError(
    CniErrorCode.invalidConfig,
    `the network configuration: socket: ${excerpt(JSON.stringify(socket))} is not an absolute path of at most ${MAX_SOCKET_PATH} bytes`,
  );
}

function readMtu(config: PluginConfig): number | undefined {
  const { mtu } = config;
  if (mtu === undefined) return undefined;
  if (typeof mtu === 'number' && Number.isInteger(mtu) && mtu >= 576 && mtu <= 9000) return mtu;
  throw new CniError(
    CniErrorCode.invalidConfig,
    `the network configuration: mtu: ${excerpt(JSON.stringify(mtu))} is not a whole number from 576 to 9000`,
  );
}
