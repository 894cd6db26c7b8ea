import { isIPv6 } from 'node:net';
import { type Layer, ServiceError, type Settings, valueAt } from '@infra-offload/service';

const DEFAULT_MANAGER = { host: '127.0.0.1', port: '50002' };

/** Names of IPDK's agent for settings that are the same, and ours. */
const SAME: ReadonlyMap<string, string> = new Map([
  ['hostIfaceMTU', 'mtu'],
  ['clientCert', 'tls.cert'],
  ['clientKey', 'tls.key'],
  ['caCert', 'tls.ca'],
  ['logLevel', 'log.level'],
  ['policy', 'networkPolicy'],
]);

/** IPDK's names for what takes two settings there. */
const MANAGER = ['managerAddr', 'managerPort'];
const TLS_MODE = ['insecure', 'mtls'];

/**
 * Translates the names that IPDK's agent has for settings into ours, and an empty `interface`, which it writes for kinds that
 * have none. All other names that it has are ours, too.
 *
 * @param below what goes behind these settings: of two settings that are one of ours, what is not named comes from there.
 * @throws ServiceError CONFIG if a setting is given by both names.
 */
export function translateIpdkNames(layer: Layer, below: Settings): Layer {
  const given = new Map(Object.entries(layer.settings).filter(([, value]) => value !== undefined));
  const take = (name: string): unknown => {
    const value = given.get(name);
    given.delete(name);
    return value;
  };
  const names = [...SAME.keys(), ...MANAGER, ...TLS_MODE].filter((name) => given.has(name));
  const values = new Map(names.map((name) => [name, take(name)]));
  if (given.get('interface') === '') given.delete('interface');
  const translated = structuredClone(Object.fromEntries(given));
  const set = (theirs: string, ours: string, value: unknown): void => {
    if (put(translated, ours.split('.'), value)) return;
    const where = layer.placeOf([theirs]);
    throw new ServiceError('CONFIG', `${where}: ${theirs} and ${ours} are the same setting: leave one out`);
  };
  for (const [theirs, ours] of SAME) {
    if (values.has(theirs)) set(theirs, ours, converted(theirs, values.get(theirs)));
  }
  const [manager] = MANAGER.filter((name) => values.has(name));
  if (manager !== undefined) {
    const { host, port } = splitAddress(below.managerAddress);
    const address = `${bracketed(values.get('managerAddr') ?? host)}:${String(values.get('managerPort') ?? port)}`;
    set(manager, 'managerAddress', address);
  }
  const [mode] = TLS_MODE.filter((name) => values.has(name));
  if (mode !== undefined) {
    const [insecure, mtls] = TLS_MODE.map((name) => values.get(name));
    if (insecure === true && mtls === true) {
      const message = 'insecure and mtls are both true: set mtls: false as well to go without TLS';
      throw new ServiceError('CONFIG', `${layer.placeOf(['insecure'])}: ${message}`);
    }
    set(mode, 'tls.mode', tlsMode(insecure, mtls, valueAt(below, ['tls', 'mode'])));
  }
  return {
    settings: translated,
    placeOf: (path) => layer.placeOf(ipdkNameOf(path, layer.settings) ?? path),
  };
}

/** IPDK has mutual TLS unless `mtls` is false, and none if `insecure` is true; what is not said stays. */
function tlsMode(insecure: unknown, mtls: unknown, before: unknown): unknown {
  if (typeof (insecure ?? true) !== 'boolean') return insecure;
  if (typeof (mtls ?? true) !== 'boolean') return mtls;
  if (insecure === true) return 'insecure';
  if (mtls === undefined) return before === 'insecure' ? 'mtls' : (before ?? 'mtls');
  if (!mtls && insecure === undefined && before === 'insecure') return before;
  return mtls ? 'mtls' : 'tls';
}

function converted(theirs: string, value: unknown): unknown {
  if (theirs === 'policy') return policySourceFor(value);
  return theirs === 'logLevel' ? levelOf(value) : value;
}

/** Whether the place was free. A scalar where a group belongs is left for the schema to refuse. */
function put(tree: Record<string, unknown>, [key = '', ...rest]: readonly string[], value: unknown): boolean {
  if (rest.length === 0) {
    if (tree[key] !== undefined) return false;
    tree[key] = value;
    return true;
  }
  const child = tree[key] ?? {};
  if (!isMapping(child)) return true;
  tree[key] = child;
  return put(child, rest, value);
}

/** What IPDK's agent calls the setting at `path`, if the settings have it by that name. */
function ipdkNameOf(path: readonly PropertyKey[], settings: Settings): readonly PropertyKey[] | undefined {
  const ours = path.join('.');
  const names = [...SAME].filter(([, name]) => name === ours).map(([theirs]) => theirs);
  if (ours === 'managerAddress') names.push(...MANAGER);
  if (ours === 'tls.mode') names.push(...TLS_MODE);
  const name = names.find((one) => settings[one] !== undefined);
  return name === undefined ? undefined : [name];
}

function splitAddress(address: unknown): { readonly host: string; readonly port: string } {
  const match = typeof address === 'string' ? /^(.*):([^:]*)$/.exec(address) : null;
  return { host: match?.[1] ?? DEFAULT_MANAGER.host, port: match?.[2] ?? DEFAULT_MANAGER.port };
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
