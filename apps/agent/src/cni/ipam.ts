import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import {
  type AttachmentKey,
  type CniCommand,
  CniError,
  CniErrorCode,
  type CniVersion,
  type Dns,
  excerpt,
  type PluginConfig,
  parseAddressPrefix,
  parseJson,
  parseResult,
  type Result,
  type ResultRoute,
  SUPPORTED_VERSIONS,
} from '@infra-offload/cni-types';
import { InfraCniErrorCode } from '../cni-error-codes.js';
import { MAX_ANSWER_BYTES } from './protocol.js';

/** More than any plugin takes, one that asks a server included; less than runtimes wait for a pod. */
const TIMEOUT_MS = 90_000;

/** What a pod gets. */
export interface AddressAssignment {
  /** IPv4, without prefix length. */
  readonly address: string;
  readonly routes: readonly ResultRoute[];
  readonly dns: Dns;
}

/** Where a pod's address comes from. */
export interface Ipam {
  /** @throws CniError; nothing is taken then. */
  add(): Promise<AddressAssignment>;
  /** Gives the address back; succeeds if none was taken. */
  del(): Promise<void>;
  /** Gives the address of another attachment back, which the runtime has forgotten. */
  release(key: AttachmentKey): Promise<void>;
  check(): Promise<void>;
  /** Passes on GC and STATUS, which plugins know from 1.1.0 on; succeeds with a plugin that does not know them. */
  pass(command: 'GC' | 'STATUS'): Promise<void>;
  /** @throws CniError 50 if a plugin says that it does not know this version, in which it would be asked for addresses. */
  requireVersion(version: CniVersion): Promise<void>;
}

/** What the delegated plugin is run with. */
export interface IpamContext {
  readonly config: PluginConfig;
  /** The configuration as it came, for the plugin's standard input. */
  readonly stdin: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** CNI_PATH. */
  readonly path: readonly string[];
}

/**
 * The plugin that `ipam.type` names, or else the static address in `runtimeConfig.ips` or `args.cni.ips`.
 *
 * @throws CniError 7 if the configuration has neither, and `command` needs one.
 */
export function selectIpam(command: CniCommand, context: IpamContext): Ipam {
  const { config } = context;
  const type = config.ipam?.type;
  if (type !== undefined) return new DelegatedIpam(type, context);
  // A DEL must not fail for what only ADD needs.
  if (command !== 'ADD') return new StaticIpam([]);
  const addresses = staticAddresses(config);
  if (addresses === undefined) {
    throw new CniError(
      CniErrorCode.invalidConfig,
      'the network configuration does not say where addresses come from: set ipam.type, for instance to host-local, or give the pod runtimeConfig.ips',
    );
  }
  return new StaticIpam(addresses);
}

/** Runs the IPAM plugin as the specification wants (CNI 1.1.0, section 4): same environment, same configuration. */
class DelegatedIpam implements Ipam {
  readonly #type: string;
  readonly #context: IpamContext;

  constructor(type: string, context: IpamContext) {
    this.#type = type;
    this.#context = context;
  }

  async add(): Promise<AddressAssignment> {
    const { path } = this.#context;
    // Without the plugin there is nothing to undo either.
    findPlugin(this.#type, path);
    try {
      const output = await this.#execute('ADD');
      const what = `the answer of IPAM plugin ${this.#type}`;
      return assignmentOf(parseResult(parseOutput(output, what), what), this.#type);
    } catch (error) {
      await this.del().catch((cause: unknown) =>
        console.error(`after a failed ADD: ${CniError.from(cause).message}`),
      );
      throw error;
    }
  }

  async del(): Promise<void> {
    await this.#execute('DEL');
  }

  /** As the runtime's DEL would be without a namespace, in a version that the plugin knows: it may be older than GC is. */
  async release({ containerId, ifname }: AttachmentKey): Promise<void> {
    const { config, env } = this.#context;
    const known = (await this.#knownVersions()) ?? [config.cniVersion];
    const cniVersion = known.includes(config.cniVersion)
      ? config.cniVersion
      : (SUPPORTED_VERSIONS.findLast((version) => known.includes(version)) ?? config.cniVersion);
    const { validAttachments: _, ...plugin } = config;
    await this.#execute('DEL', {
      env: { ...env, CNI_CONTAINERID: containerId, CNI_IFNAME: ifname, CNI_NETNS: '', CNI_ARGS: '' },
      stdin: JSON.stringify({ ...plugin, cniVersion }),
    });
  }

  async check(): Promise<void> {
    await this.#execute('CHECK');
  }

  async pass(command: 'GC' | 'STATUS'): Promise<void> {
    try {
      await this.#execute(command);
    } catch (error) {
      // Only what the plugin itself has answered has a cause that is a CNI error.
      const answer = CniError.from(error).cause;
      if (!CniError.is(answer) || !isOlderThanCommand(answer)) throw error;
    }
  }

  async requireVersion(version: CniVersion): Promise<void> {
    const supported = await this.#knownVersions();
    if (supported === undefined || supported.includes(version)) return;
    throw new CniError(
      CniErrorCode.notAvailable,
      `IPAM plugin ${this.#type} does not know CNI version ${version}, which the network configuration is in; it knows ${supported.join(', ')}`,
    );
  }

  /** @returns undefined if the plugin does not say. */
  async #knownVersions(): Promise<readonly string[] | undefined> {
    const { path, env, stdin } = this.#context;
    const { stdout } = await run(findPlugin(this.#type, path), { ...env, CNI_COMMAND: 'VERSION' }, stdin);
    return supportedVersionsOf(tryParse(stdout));
  }

  async #execute(
    command: CniCommand,
    { env, stdin }: Pick<IpamContext, 'env' | 'stdin'> = this.#context,
  ): Promise<string> {
    const file = findPlugin(this.#type, this.#context.path);
    const { code, stdout } = await run(file, { ...env, CNI_COMMAND: command }, stdin);
    if (code === 0) return stdout;
    const error = CniError.parse(tryParse(stdout));
    if (error === undefined) {
      throw new CniError(
        CniErrorCode.internal,
        `IPAM plugin ${this.#type} failed at ${command} with exit code ${code}`,
        stdout === '' ? {} : { details: excerpt(stdout.trim()) },
      );
    }
    throw new CniError(error.code, `IPAM plugin ${this.#type} failed at ${command}: ${error.message}`, {
      details: error.details,
      cause: error,
    });
  }
}

/** The Go library that most plugins are made with answers `unknown CNI_COMMAND`, with code 4 or, earlier, 100. */
function isOlderThanCommand({ code, message }: CniError): boolean {
  return code === CniErrorCode.incompatibleVersion || /unknown.*command|command.*unknown/i.test(message);
}

/** The runtime has chosen the address. */
class StaticIpam implements Ipam {
  readonly #addresses: readonly string[];

  constructor(addresses: readonly string[]) {
    this.#addresses = addresses;
  }

  async add(): Promise<AddressAssignment> {
    const ips = this.#addresses.map((text) => ({ address: isIPv4(text) ? `${text}/32` : text }));
    return assignmentOf({ interfaces: [], ips, routes: [], dns: {} }, 'ips');
  }

  async del(): Promise<void> {}

  async release(): Promise<void> {}

  async check(): Promise<void> {}

  async pass(): Promise<void> {}

  async requireVersion(): Promise<void> {}
}

/** @returns undefined for what is no answer to VERSION: it is for the other commands to fail. */
function supportedVersionsOf(answer: unknown): readonly string[] | undefined {
  const versions =
    typeof answer === 'object' && answer !== null && 'supportedVersions' in answer
      ? answer.supportedVersions
      : undefined;
  const isList = Array.isArray(versions) && versions.every((version) => typeof version === 'string');
  return isList ? versions : undefined;
}

/** The pipeline needs exactly one IPv4 address for a pod; a default route is what a pod has if IPAM names none. */
function assignmentOf(result: Result, source: string): AddressAssignment {
  const addresses = result.ips.map(({ address }) => address);
  const [only, ...others] = addresses.map(parseAddressPrefix);
  if (only?.family !== 4 || others.length > 0) {
    const got = addresses.length === 0 ? 'none' : addresses.join(', ');
    throw new CniError(
      InfraCniErrorCode.unusableAddress,
      `a pod needs exactly one IPv4 address; ${source} gives ${got}`,
    );
  }
  const foreign = result.routes.find(({ dst }) => parseAddressPrefix(dst)?.family !== 4);
  if (foreign !== undefined) {
    throw new CniError(
      InfraCniErrorCode.unusableAddress,
      `${source} gives a route to ${foreign.dst}; pods have IPv4 only`,
    );
  }
  const routes = result.routes.length > 0 ? result.routes : [{ dst: '0.0.0.0/0' }];
  return { address: only.address, routes, dns: result.dns };
}

/** `runtimeConfig.ips` (capability `ips`), else `args.cni.ips`: CNI's conventions for addresses that the runtime chooses. */
function staticAddresses(config: PluginConfig): readonly string[] | undefined {
  const cniArgs = config.args?.cni;
  const ips =
    config.runtimeConfig?.ips ??
    (typeof cniArgs === 'object' && cniArgs !== null && 'ips' in cniArgs ? cniArgs.ips : undefined);
  if (ips === undefined) return undefined;
  const isAddressList = (value: unknown): value is string[] =>
    Array.isArray(value) &&
    value.every((ip) => typeof ip === 'string' && (isIPv4(ip) || parseAddressPrefix(ip) !== undefined));
  if (isAddressList(ips)) return ips;
  throw new CniError(
    CniErrorCode.invalidConfig,
    `the network configuration: ips is not a list of addresses: ${excerpt(JSON.stringify(ips))}`,
  );
}

function findPlugin(type: string, path: readonly string[]): string {
  for (const directory of path) {
    const file = join(directory, type);
    if (isFile(file)) return file;
  }
  throw new CniError(
    CniErrorCode.invalidEnvironment,
    `there is no IPAM plugin ${type} in CNI_PATH (${excerpt(path.join(':')) || 'empty'})`,
  );
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    // What cannot be looked at cannot be run.
    return false;
  }
}

function run(
  file: string,
  env: Readonly<Record<string, string | undefined>>,
  stdin: string,
): Promise<{ readonly code: number | null; readonly stdout: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, [], { env: { ...env }, stdio: ['pipe', 'pipe', 'inherit'] });
    const stdout: Buffer[] = [];
    let length = 0;
    const end = (code: number, message: string) => {
      child.kill('SIGKILL');
      // What the plugin has started may hold it open.
      child.stdout.destroy();
      reject(new CniError(code, message));
    };
    const limit = setTimeout(
      () => end(CniErrorCode.tryAgainLater, `${file} is not done in ${TIMEOUT_MS / 1000} s; ended`),
      TIMEOUT_MS,
    );
    child.stdout.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > MAX_ANSWER_BYTES) {
        end(CniErrorCode.decodeFailure, `the answer of ${file} is longer than ${MAX_ANSWER_BYTES} bytes`);
      } else stdout.push(chunk);
    });
    // The plugin may end before it has read its input; its exit code tells why.
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
    child.once('error', (cause) => {
      clearTimeout(limit);
      reject(new CniError(CniErrorCode.ioFailure, `cannot run ${file}: ${cause.message}`, { cause }));
    });
    child.once('close', (code) => {
      clearTimeout(limit);
      resolve({ code, stdout: Buffer.concat(stdout).toString() });
    });
  });
}

/** @returns undefined if `text` is no JSON. */
export function tryParse(text: string): unknown {
  try {
    return parseJson(text, '');
  } catch {
    return undefined;
  }
}

function parseOutput(text: string, what: string): unknown {
  try {
    return parseJson(text, what);
  } catch (cause) {
    const { message } = CniError.from(cause);
    throw new CniError(CniErrorCode.decodeFailure, message, { details: excerpt(text), cause });
  }
}
