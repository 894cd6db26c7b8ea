import { didYouMean } from '@infra-offload/base';
import { type Layer, ServiceError } from '@infra-offload/service';
import { oneLine } from '@infra-offload/yaml';

type Tree = Record<string, unknown>;

/** Settings of IPDK's manager by their paths, and where we have them. */
const SAME: ReadonlyMap<string, string> = new Map([
  ['InfraManager.addr', 'listen'],
  ['InfraManager.conn', 'tls.mode'],
  ['InfraManager.serverCert', 'tls.cert'],
  ['InfraManager.serverKey', 'tls.key'],
  ['InfraManager.caCert', 'tls.ca'],
  ['InfraManager.ciphersuites', 'tls.cipherSuites'],
  ['Infrap4dGrpcServer.addr', 'target.p4runtimeAddress'],
  ['Infrap4dGrpcServer.conn', 'target.p4runtimeTls.mode'],
  ['Infrap4dGrpcServer.clientCert', 'target.p4runtimeTls.cert'],
  ['Infrap4dGrpcServer.clientKey', 'target.p4runtimeTls.key'],
  ['Infrap4dGrpcServer.caCert', 'target.p4runtimeTls.ca'],
  ['Infrap4dGnmiServer.addr', 'target.gnmiAddress'],
  ['Infrap4dGnmiServer.conn', 'target.gnmiTls.mode'],
  ['Infrap4dGnmiServer.clientCert', 'target.gnmiTls.cert'],
  ['Infrap4dGnmiServer.clientKey', 'target.gnmiTls.key'],
  ['Infrap4dGnmiServer.caCert', 'target.gnmiTls.ca'],
  ['InterfaceType', 'interfaceType'],
  ['DeviceID', 'target.deviceId'],
  ['LogLevel', 'log.level'],
]);

/** Settings that this manager has no use for, and why. */
const UNUSED: ReadonlyMap<string, string> = new Map([
  ['InfraManager.arpmac', 'the data plane answers ARP itself, see dataPlane.gatewayMac'],
  ['InfraManager.DBTicker', 'state is stored before a call is answered'],
  ['NodeIP', 'the agent tells what the node needs'],
  ['Services', 'the agent tells what the node needs'],
  ['Policy', 'the agent tells what the node needs'],
]);

const GROUPS: ReadonlySet<string> = new Set(
  [...SAME.keys(), ...UNUSED.keys()].flatMap((path) =>
    path.includes('.') ? [path.split('.')[0] ?? ''] : [],
  ),
);

/**
 * Translates the settings of a file for IPDK's manager (`inframanager-config.yaml`) into ours. Those that nobody knows
 * stay, for the schema to refuse.
 *
 * @param notice called for each setting without effect.
 * @throws ServiceError CONFIG if a setting is given by both names, or is unknown in a group of IPDK's.
 */
export function translateIpdkSettings(file: Layer, notice: (text: string) => void): Tree {
  const result: Tree = { ...structuredClone(file.settings) };
  for (const [path, value] of flatten(file.settings)) {
    const at = file.placeOf(path.split('.'));
    const ours = SAME.get(path);
    const unused = UNUSED.get(path);
    if (ours === undefined && unused === undefined) {
      refuseUnknown(at, path);
      continue;
    }
    remove(result, path);
    if (unused !== undefined) notice(`${at}: ${path} has no effect: ${unused}`);
    else if (ours !== undefined) {
      if (!put(result, ours.split('.'), translated(path, value))) {
        throw new ServiceError('CONFIG', `${at}: ${path} and ${ours} are the same setting: leave one out`);
      }
    }
  }
  return result;
}

/** What IPDK's manager calls the setting at `path`, if the settings have it by that name. */
export function ipdkPathOf(
  path: readonly PropertyKey[],
  settings: Readonly<Tree>,
): readonly string[] | undefined {
  const ours = path.join('.');
  return [...SAME]
    .filter(([, path]) => path === ours)
    .map(([theirs]) => theirs.split('.'))
    .find(([group = '', key]) => {
      const value = settings[group];
      return key === undefined ? value !== undefined : isTree(value) && value[key] !== undefined;
    });
}

/** The schema would only name the group. */
function refuseUnknown(at: string, path: string): void {
  const [group = '', key] = path.split('.');
  if (key === undefined || !GROUPS.has(group)) return;
  const known = [...SAME.keys(), ...UNUSED.keys()].flatMap((other) =>
    other.startsWith(`${group}.`) ? other.slice(group.length + 1) : [],
  );
  throw new ServiceError('CONFIG', oneLine(`${at}: unknown key '${path}'; ${didYouMean(key, known)}`));
}

function* flatten(tree: Readonly<Tree>): Generator<[string, unknown]> {
  for (const [key, value] of Object.entries(tree)) {
    if (GROUPS.has(key) && isTree(value)) {
      for (const [inner, setting] of Object.entries(value)) yield [`${key}.${inner}`, setting];
    } else yield [key, value];
  }
}

const IPDK_LEVELS: ReadonlyMap<string, string> = new Map([
  ['panic', 'fatal'],
  ['warning', 'warn'],
]);

/** IPDK writes levels with a capital, and has one more. */
function translated(path: string, value: unknown): unknown {
  if (path !== 'LogLevel' || typeof value !== 'string') return value;
  const level = value.toLowerCase();
  return IPDK_LEVELS.get(level) ?? level;
}

function remove(tree: Tree, path: string): void {
  const [group = '', key] = path.split('.');
  if (key === undefined) {
    delete tree[group];
    return;
  }
  const settings = tree[group];
  if (!isTree(settings)) return;
  delete settings[key];
  if (Object.keys(settings).length === 0) delete tree[group];
}

/** Whether the place was free. */
function put(tree: Tree, [key = '', ...rest]: readonly string[], value: unknown): boolean {
  if (rest.length === 0) {
    if (tree[key] !== undefined) return false;
    tree[key] = value;
    return true;
  }
  const child = tree[key] ?? {};
  // A scalar where a section belongs is reported by the schema.
  if (!isTree(child)) return true;
  tree[key] = child;
  return put(child, rest, value);
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
