import type { FlowFilter } from '@infra-offload/infra-api';
import { type IPv4, PROTOCOL_NUMBERS, parseIPv4 } from '@infra-offload/net';
import type { FlowEntry, FlowSelection, FlowSocket } from '../drivers/flow-table.js';
import { ManagerError } from '../errors.js';
import type { ObjectKey, WantedState } from '../model/objects.js';

/** What the manager wants; of the controller. */
export interface WantedObjects {
  statuses(): Iterable<readonly [ObjectKey, unknown]>;
  object(key: ObjectKey): WantedState | undefined;
}

/** A filter as it is applied: first by the device, as far as it can, then here. */
export interface FlowMatch {
  /** The parts of a device's flows in which every flow is that fits, with one of its entries at least. */
  readonly selections: readonly FlowSelection[];
  /** Every flow fits. */
  readonly isWhole: boolean;
  /** Whether a flow fits, but for its state. */
  fits(entry: FlowEntry): boolean;
  readonly state: string | undefined;
}

const EMPTY: FlowFilter = { pod: '', service: '', address: '', port: 0, protocol: 0, state: '' };

type Test = (entry: FlowEntry) => boolean;

/** @throws ManagerError INVALID_OBJECT for a value that makes no sense, NOT_FOUND for a pod or service that there is not */
export function matchOfFilter(filter: FlowFilter = EMPTY, controller: WantedObjects): FlowMatch {
  const { pod, service, port, state } = filter;
  const protocol = filter.protocol === 0 ? undefined : filter.protocol;
  if (port > 0xffff) throw invalid(`port: ${port} is not in 0..65535`);
  if (filter.protocol > 0xff) throw invalid(`protocol: ${filter.protocol} is not in 0..255`);
  const address = filter.address === '' ? undefined : parseIPv4(filter.address);
  if (filter.address !== '' && address === undefined)
    throw invalid(`address: "${filter.address}" is no IPv4 address`);
  const pods = pod === '' ? undefined : podAddresses(controller, pod);
  const frontends = service === '' ? undefined : frontendsOf(controller, service);
  const tests: Test[] = [];
  if (protocol !== undefined) tests.push(({ original }) => original.protocol === protocol);
  if (address !== undefined) tests.push((entry) => socketsOf(entry).some((one) => one.address === address));
  if (port !== 0) tests.push((entry) => socketsOf(entry).some((one) => one.port === port));
  if (pods !== undefined) tests.push((entry) => endsOf(entry).some((one) => pods.includes(one.address)));
  if (frontends !== undefined)
    tests.push(({ original: { protocol: of, destination } }) =>
      frontends.some(
        (one) => one.protocol === of && one.address === destination.address && one.port === destination.port,
      ),
    );
  const known = protocol === undefined ? {} : { protocol };
  return {
    selections: selectionsOf(address === undefined ? pods : [address], frontends, port).map((selection) => ({
      ...known,
      ...selection,
    })),
    isWhole: tests.length === 0 && state === '',
    fits: (entry) => tests.every((test) => test(entry)),
    state: state === '' ? undefined : state,
  };
}

function selectionsOf(
  addresses: readonly IPv4[] | undefined,
  frontends: readonly Frontend[] | undefined,
  port: number,
): readonly FlowSelection[] {
  if (frontends !== undefined)
    return frontends.map(({ protocol, address, port: at }) => ({
      protocol,
      destination: { address, port: at },
    }));
  if (addresses !== undefined)
    return addresses.flatMap((address) => [{ source: { address } }, { destination: { address } }]);
  return port === 0 ? [{}] : [{ source: { port } }, { destination: { port } }];
}

interface Frontend extends FlowSocket {
  readonly protocol: number;
}

/** Client and endpoint. */
function endsOf({ original, reply }: FlowEntry): readonly FlowSocket[] {
  return [original.source, reply.source];
}

/** Client, endpoint, and what the client has addressed. */
function socketsOf(entry: FlowEntry): readonly FlowSocket[] {
  return [...endsOf(entry), entry.original.destination];
}

function podAddresses(controller: WantedObjects, name: string): readonly IPv4[] {
  const found = objectsOf(controller).flatMap((object) =>
    object.kind === 'pod' && `${object.namespace}/${object.name}` === name ? [object.ip] : [],
  );
  if (found.length > 0) return found;
  throw new ManagerError('NOT_FOUND', `pod: there is no pod ${name} on this node`);
}

function frontendsOf(controller: WantedObjects, name: string): readonly Frontend[] {
  const found = objectsOf(controller).flatMap((object) =>
    object.kind === 'service' && `${object.namespace}/${object.name}` === name ? [object] : [],
  );
  if (found.length === 0) throw new ManagerError('NOT_FOUND', `service: there is no service ${name}`);
  return found.flatMap(({ protocol, frontends }) =>
    frontends.map((frontend) => ({ ...frontend, protocol: PROTOCOL_NUMBERS[protocol] })),
  );
}

function objectsOf(controller: WantedObjects): readonly WantedState[] {
  return [...controller.statuses()].flatMap(([key]) => controller.object(key) ?? []);
}

function invalid(message: string): ManagerError {
  return new ManagerError('INVALID_OBJECT', message);
}
