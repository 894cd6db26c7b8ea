import { malformed } from '../errors.js';
import type { GnmiClient, GnmiLeaf } from './client.js';
import { formatPath } from './path.js';
import type { GnmiInput } from './value.js';

/** A TAP port as infrap4d takes it. */
export interface TapPort {
  /** Name of the port and of its network interface. */
  readonly name: string;
  /** Default `pipe`. */
  readonly pipelineName?: string;
  /** Default `MEMPOOL0`. */
  readonly mempoolName?: string;
  /** Bytes, default 1500. */
  readonly mtu?: number;
}

/** Path of a leaf of a virtual port of infrap4d. */
export function virtualPortPath(name: string, leaf: string): string {
  return formatPath({
    origin: '',
    element: [],
    elem: [
      { name: 'interfaces', key: {} },
      { name: 'virtual-interface', key: { name } },
      { name: 'config', key: {} },
      { name: leaf, key: {} },
    ],
  });
}

/**
 * The updates that make a TAP port, leaf by leaf like
 * `gnmi-ctl set "device:virtual-device,name:TAP0,pipeline-name:pipe,mempool-name:MEMPOOL0,mtu:1500,port-type:TAP"`.
 * The type comes last: infrap4d makes the port when it has it.
 */
export function tapPortUpdates(port: TapPort): GnmiLeaf<GnmiInput>[] {
  const { name, pipelineName = 'pipe', mempoolName = 'MEMPOOL0', mtu = 1500 } = port;
  return [
    { path: virtualPortPath(name, 'pipeline-name'), value: pipelineName },
    { path: virtualPortPath(name, 'mempool-name'), value: mempoolName },
    { path: virtualPortPath(name, 'mtu'), value: mtu },
    { path: virtualPortPath(name, 'port-type'), value: 'TAP' },
  ];
}

/** Makes a TAP port, see {@link tapPortUpdates}. */
export async function createTapPort(client: GnmiClient, port: TapPort): Promise<void> {
  await client.set({ update: tapPortUpdates(port) });
}

/**
 * The number that the pipeline knows a port by (`tdi-portin-id`).
 * @throws P4rtError MALFORMED when the target gives no number, or the gRPC code (NOT_FOUND for an unknown port)
 */
export async function virtualPortNumber(client: GnmiClient, name: string): Promise<number> {
  const path = virtualPortPath(name, 'tdi-portin-id');
  const [leaf] = await client.get([path], { type: 'ALL', encoding: 'PROTO' });
  if (typeof leaf?.value === 'number' && leaf.value >= 0) return leaf.value;
  const got = leaf === undefined ? 'nothing' : String(leaf.value);
  throw malformed(`${path} at ${client.address}: expected a port number, got ${got}`);
}
