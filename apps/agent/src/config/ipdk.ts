import { isIPv6 } from 'node:net';
import { AgentError } from '../errors.js';

/** Settings as a file or the command line has them, before validation. */
export type RawSettings = Readonly<Record<string, unknown>>;

const defaultManager = { host: '127.0.0.1', port: '50002' };

/**
 * Translates the names that IPDK's agent has for settings into ours: `hostIfaceMTU`, `managerAddr`, `managerPort`, `logLevel`,
 * `policy`, and an empty `interface`. All other names that it has are ours, too.
 *
 * @param below what goes behind these settings: the half of the manager's address that is not named comes from there.
 * @param placeOf where a setting stands, for messages
 * @throws AgentError CONFIG if a setting is given by both names.
 */
export function translateIpdkNames(
  settings: RawSettings,
  below: RawSettings,
  placeOf: (path: readonly string[]) => string,
): RawSettings {
  const { hostIfaceMTU, managerAddr, managerPort, logLevel, policy, interface: name, ...own } = settings;
  const both = (theirs: string, ours: string) =>
    new AgentError(
      'CONFIG',
      `${placeOf([theirs])}: ${theirs} and ${ours} are the same setting: leave one out`,
    );
  const translated: Record<string, unknown> = { ...own };
  // What generate-config writes for kinds that have none.
  if (name !== undefined && name !== '') translated.interface = name;
  if (hostIfaceMTU !== undefined) {
    if (own.mtu !== undefined) throw both('hostIfaceMTU', 'mtu');
    translated.mtu = hostIfaceMTU;
  }
  if (policy !== undefined) {
    if (own.networkPolicy !== undefined) throw both('policy', 'networkPolicy');
    translated.networkPolicy = policySourceFor(policy);
  }
  if (managerAddr !== undefined || managerPort !== undefined) {
    const theirs = managerAddr === undefined ? 'managerPort' : 'managerAddr';
    if (own.managerAddress !== undefined) throw both(theirs, 'managerAddress');
    const { host, port } = splitAddress(below.managerAddress);
    translated.managerAddress = `${bracketed(managerAddr ?? host)}:${String(managerPort ?? port)}`;
  }
  if (logLevel !== undefined) {
    const log = isMapping(own.log) ? own.log : {};
    if (log.level !== undefined) throw both('logLevel', 'log.level');
    translated.log = { ...log, level: levelOf(logLevel) };
  }
  return translated;
}

/** What IPDK's agent calls the setting at `path`, if the settings have it by that name. */
export function ipdkNameOf(
  path: readonly PropertyKey[],
  settings: RawSettings,
): readonly PropertyKey[] | undefined {
  const names = IPDK_NAMES.get(path.join('.')) ?? [];
  const name = names.find((one) => settings[one] !== undefined);
  return name === undefined ? undefined : [name];
}

const IPDK_NAMES: ReadonlyMap<string, readonly string[]> = new Map([
  ['mtu', ['hostIfaceMTU']],
  ['managerAddress', ['managerAddr', 'managerPort']],
  ['log.level', ['logLevel']],
  ['networkPolicy', ['policy']],
]);

function splitAddress(address: unknown): { readonly host: string; readonly port: string } {
  const match = typeof address === 'string' ? /^(.*):([^:]*)$/.exec(address) : null;
  return { host: match?.[1] ?? defaultManager.host, port: match?.[2] ?? defaultManager.port };
}

function bracketed(host: unknown): string {
  return typeof host === 'string' && isIPv6(host) ? `[${host}]` : String(host);
}

/** IPDK's agent has policies from Felix only. */
function policySourceFor(policy: unknown): unknown {
  if (typeof policy !== 'boolean') return policy;
  return policy ? 'felix' : 'off';
}

const IPDK_LEVELS: ReadonlyMap<string, string> = new Map([
  ['panic', 'fatal'],
  ['warning', 'warn'],
]);

/** IPDK writes levels with a capital, and has one more. */
function levelOf(level: unknown): unknown {
  if (typeof level !== 'string') return level;
  const lower = level.toLowerCase();
  return IPDK_LEVELS.get(lower) ?? lower;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
