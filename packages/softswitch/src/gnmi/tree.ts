import { formatPath } from '@infra-offload/p4rt';
import type { gnmi } from '@infra-offload/p4rt/proto';
import { fail } from '../errors.js';
import type { PortInfo, PortProvider, PortStatistics } from '../ports/provider.js';

/** What infrap4d says of every port that it was not told otherwise. */
const PIPELINE_NAME = 'pipe';
const MEMPOOL_NAME = 'MEMPOOL0';

export type LeafValue = string | number;

/** A value of the tree below one interface. */
export interface Leaf {
  /** Names below the interface: `['config', 'mtu']`. */
  readonly path: readonly string[];
  readonly value: LeafValue;
}

/** A path into the tree `interfaces/virtual-interface[name=…]/…`, taken apart. */
export interface TreePath {
  /** Undefined: all interfaces. */
  readonly name: string | undefined;
  /** How many elements lead to the interface; less than 2 is a container of interfaces. */
  readonly depth: number;
  /** What is below the interface. */
  readonly rest: readonly string[];
}

const CONTAINER = 'interfaces';
const LIST = 'virtual-interface';

/** The elements of a request's path behind its prefix. */
export function joinPath(prefix: gnmi.Path | undefined, path: gnmi.Path | undefined): gnmi.Path {
  const elem = [...(prefix?.elem ?? []), ...(path?.elem ?? [])];
  const element = [...(prefix?.element ?? []), ...(path?.element ?? [])];
  return { element, elem, origin: path?.origin || prefix?.origin || '', target: '' };
}

/** Takes a path apart; INVALID_ARGUMENT if it is malformed, NOT_FOUND if it leads out of the tree. */
export function resolvePath(path: gnmi.Path): TreePath {
  if (path.elem.length === 0 && path.element.length > 0) {
    fail('INVALID_ARGUMENT', 'the path uses the field `element` of gNMI 0.3: use `elem`');
  }
  for (const [i, { name, key }] of path.elem.entries()) {
    if (name === '') fail('INVALID_ARGUMENT', `path ${formatPath(path)}: element ${i} has no name`);
    const keys = Object.keys(key);
    if (keys.length > 0 && (i !== 1 || keys.some((one) => one !== 'name'))) {
      fail('INVALID_ARGUMENT', `path ${formatPath(path)}: '${name}' has no key ${keys.join(', ')}`);
    }
    if (keys.length > 0 && key.name === '')
      fail('INVALID_ARGUMENT', `path ${formatPath(path)}: the name is empty`);
  }
  const [container, list, ...rest] = path.elem;
  if (container !== undefined && container.name !== CONTAINER) notFound(path);
  if (list !== undefined && list.name !== LIST) notFound(path);
  const name = list?.key.name;
  return {
    name: name === '*' ? undefined : name,
    depth: Math.min(path.elem.length, 2),
    rest: rest.map((elem) => elem.name),
  };
}

function notFound(path: gnmi.Path): never {
  return fail(
    'NOT_FOUND',
    `no path ${formatPath(path)}: the tree here is ${CONTAINER}/${LIST}[name=…]/{config,state}`,
  );
}

/** All leaves of a port. */
export function leavesOf(port: PortInfo, statistics: PortStatistics | undefined): Leaf[] {
  const leaves: Leaf[] = [
    { path: ['config', 'name'], value: port.name },
    { path: ['config', 'port-type'], value: port.kind },
    { path: ['config', 'mtu'], value: port.mtu },
    { path: ['config', 'pipeline-name'], value: PIPELINE_NAME },
    { path: ['config', 'mempool-name'], value: MEMPOOL_NAME },
    { path: ['config', 'tdi-portin-id'], value: port.number },
    { path: ['config', 'tdi-portout-id'], value: port.number },
    { path: ['state', 'name'], value: port.name },
    { path: ['state', 'mac-address'], value: port.mac },
  ];
  if (statistics === undefined) return leaves;
  const counters: readonly (readonly [string, number])[] = [
    ['in-pkts', statistics.rxPackets],
    ['in-octets', statistics.rxBytes],
    ['out-pkts', statistics.txPackets],
    ['out-octets', statistics.txBytes],
    ['out-errors', statistics.txErrors],
  ];
  return [...leaves, ...counters.map(([name, value]) => ({ path: ['state', 'counters', name], value }))];
}

/** The leaves of the ports that a path selects; NOT_FOUND if there are none. */
export function select(ports: PortProvider, path: gnmi.Path): { port: PortInfo; leaves: Leaf[] }[] {
  const { name, rest } = resolvePath(path);
  const selected =
    name === undefined ? ports.list() : [ports.find(name) ?? fail('NOT_FOUND', `no port ${name}`)];
  const found = selected.map((port) => ({
    port,
    leaves: leavesOf(port, ports.statistics(port.number)).filter((leaf) =>
      rest.every((part, i) => leaf.path[i] === part),
    ),
  }));
  if (rest.length > 0 && selected.length > 0 && found.every(({ leaves }) => leaves.length === 0))
    notFound(path);
  return found;
}

/** The path of a leaf of a port, in full. */
export function pathOf(port: PortInfo, below: readonly string[]): gnmi.Path {
  const elem = [
    { name: CONTAINER, key: {} },
    { name: LIST, key: { name: port.name } },
    ...below.map((name) => ({ name, key: {} })),
  ];
  return { element: [], origin: '', elem, target: '' };
}

/** Leaves below `depth` as the JSON object that they make up. */
export function toObject(leaves: readonly Leaf[], depth: number): unknown {
  const [only] = leaves;
  if (only !== undefined && leaves.length === 1 && only.path.length === depth) return only.value;
  const object: Record<string, unknown> = {};
  for (const key of new Set(leaves.map((leaf) => leaf.path[depth] ?? ''))) {
    object[key] = toObject(
      leaves.filter((leaf) => leaf.path[depth] === key),
      depth + 1,
    );
  }
  return object;
}

export function toTypedValue(value: LeafValue): gnmi.TypedValue {
  return typeof value === 'string'
    ? { value: { $case: 'stringVal', value } }
    : { value: { $case: 'uintVal', value: BigInt(value) } };
}
