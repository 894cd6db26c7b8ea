import type { ManagerReason } from '@infra-offload/infra-api';
import { NO_SLOT, type Slot } from '@infra-offload/lb-model';
import { formatIPv4, PROTOCOL_NUMBERS } from '@infra-offload/net';
import { type Condition, condition } from '../../model/condition.js';
import { describeKey, type Endpoint, type Frontend, type ServiceObject } from '../../model/objects.js';
import { formatFrontend, frontendClaims, frontendKey, unsupportedAddresses } from '../common.js';
import type { Claim, CompileContext, Compiled, ServiceAllocation } from '../driver.js';
import type { Es2kContext } from './interface.js';
import { endpointPointer } from './limits.js';
import { type Es2kRow, pointerKey, rowKey } from './rows.js';

/** Names that a message spells out. */
const SHOWN = 5;

/**
 * A service port's rows: the translation of each endpoint, of replies, the way back from each endpoint that takes new
 * connections, 64 buckets, and the mark of the service address, which all ports of one address and protocol share.
 *
 * A deleted service keeps what its established connections need: all but the ways in for new ones.
 */
export function compileService(
  es2k: Es2kContext,
  service: ServiceObject | undefined,
  allocation: ServiceAllocation,
  context: CompileContext,
): Compiled<Es2kRow> {
  const conditions = service === undefined ? [] : conditionsOf(service, allocation, context);
  const { frontend } = allocation;
  if (frontend === undefined) return { rows: [], conditions };
  if (service !== undefined && context.holder(frontendKey(frontend, service.protocol)) !== undefined)
    return { rows: [], conditions };
  if (context.resident(frontend.address) !== undefined) return { rows: [], conditions };
  return { rows: rowsOf(es2k, service, { ...allocation, frontend }, context), conditions };
}

function rowsOf(
  { rows: make, limits, gatewayMac: smac }: Es2kContext,
  service: ServiceObject | undefined,
  { id, plan, buckets, protocol, frontend }: ServiceAllocation & { readonly frontend: Frontend },
  context: CompileContext,
): Es2kRow[] {
  const number = PROTOCOL_NUMBERS[protocol];
  const { address: vip, port: vipPort } = frontend;
  const vipRow =
    protocol === 'TCP'
      ? make.row('ipv4_to_port_table_tx_tcp', [vip], 'set_vip_flag_tcp', {})
      : make.row('ipv4_to_port_table_tx', [vip], 'set_vip_flag', {});
  const rows = [
    vipRow,
    make.row('write_source_ip_table', [id], 'update_src_ip_mac', { smac, ip: vip, port: vipPort }),
  ];
  /** What a bucket says, by slot, and what must be there before it does. */
  const ways = new Map<
    number,
    { readonly to: { p: number; ptr: number }; readonly requires: readonly string[] }
  >();
  for (const slot of plan.slots) {
    const resident = slot.state === 'resting' ? undefined : context.resident(slot.address);
    if (resident === undefined) continue;
    const { address: ip, port } = slot;
    const ptr = endpointPointer(limits, id, slot.slot);
    rows.push(
      make.row('write_dest_ip_table', [ptr], 'update_dst_ip_mac', { smac, dmac: resident.mac, ip, port }),
    );
    if (slot.state !== 'active') continue;
    rows.push(make.row('rx_src_ip', [ip, number, port], 'set_source_ip', { ptr: id }));
    ways.set(slot.slot, {
      to: { p: resident.port, ptr },
      requires: [rowKey('rx_src_ip', [ip, number, port]), pointerKey('write_source_ip_table', id)],
    });
  }
  if (service === undefined) return rows;
  buckets.forEach((slot, bucket) => {
    const way = slot === NO_SLOT ? undefined : ways.get(slot);
    if (way === undefined) return;
    const { to, requires } = way;
    rows.push(
      make.row('tx_balance', [vip, number, vipPort, bucket], 'set_default_lb_dest', to, { requires }),
    );
  });
  return rows;
}

/** The endpoints that are on this node, and that no other service port has. */
export function reachable(service: ServiceObject, context: CompileContext): readonly Endpoint[] {
  return service.endpoints.filter(
    (endpoint) =>
      context.resident(endpoint.address) !== undefined &&
      context.holder(endpointKey(endpoint, service)) === undefined,
  );
}

/**
 * The first frontend, since replies carry one address; and the endpoints on this node, since the way back from an
 * endpoint leads to one service port.
 */
export function serviceClaims(service: ServiceObject, context: CompileContext): readonly Claim[] {
  return [
    ...frontendClaims({ ...service, frontends: service.frontends.slice(0, 1) }),
    ...service.endpoints
      .filter(({ address }) => context.resident(address) !== undefined)
      .map(
        (endpoint): Claim => ({
          key: endpointKey(endpoint, service),
          what: `endpoint ${formatFrontend(endpoint)}/${service.protocol}`,
          reason: 'EndpointConflict',
        }),
      ),
  ];
}

function conditionsOf(
  service: ServiceObject,
  { plan, buckets }: ServiceAllocation,
  context: CompileContext,
): Condition[] {
  const conditions: Condition[] = [];
  const say = (reason: ManagerReason, message: string) => conditions.push(condition(reason, message));
  const [frontend, ...others] = service.frontends;
  const holder = frontend && context.holder(frontendKey(frontend, service.protocol));
  if (frontend !== undefined && holder !== undefined)
    say(
      'FrontendConflict',
      `another service has ${formatFrontend(frontend)} (held by ${describeKey(holder)})`,
    );
  if (frontend !== undefined && context.resident(frontend.address) !== undefined)
    say('AddressConflict', `${formatIPv4(frontend.address)} is the address of a pod or of the node`);
  const remote: string[] = [];
  const taken: string[] = [];
  for (const endpoint of service.endpoints) {
    const owner = context.holder(endpointKey(endpoint, service));
    if (context.resident(endpoint.address) === undefined) remote.push(formatFrontend(endpoint));
    else if (owner !== undefined) taken.push(`${formatFrontend(endpoint)} (held by ${describeKey(owner)})`);
  }
  if (taken.length > 0)
    say(
      'EndpointConflict',
      `an endpoint's replies carry the address of one service port, left out: ${list(taken)}`,
    );
  if (plan.overflow.length > 0) {
    const wanted = plan.overflow.length + buckets.length;
    say(
      'TooManyEndpoints',
      `${wanted} endpoints, ${buckets.length} of which are served: a service port has no more buckets`,
    );
  }
  if (remote.length > 0)
    say('EndpointsNotLocal', `the pipeline reaches only the pods of this node; left out: ${list(remote)}`);
  if (others.length > 0)
    say(
      'OneFrontend',
      `replies can carry only one address of a service; left out: ${list(others.map(formatFrontend))}`,
    );
  if (service.affinitySeconds !== undefined)
    say(
      'AffinityNotSupported',
      'the pipeline has no session affinity: each connection is balanced on its own',
    );
  const starved = plan.slots.filter((slot) => slot.state === 'active' && !buckets.includes(slot.slot));
  if (starved.length > 0)
    say(
      'WeightTooSmall',
      `their shares are less than one of ${buckets.length} buckets: ${list(starved.map(endpointOf))}`,
    );
  if (service.unsupportedAddresses.length > 0)
    conditions.push(unsupportedAddresses(service.unsupportedAddresses));
  if (frontend !== undefined && !plan.slots.some((slot) => slot.state === 'active'))
    conditions.push(NO_ENDPOINTS);
  return conditions;
}

const NO_ENDPOINTS = condition(
  'NoEndpoints',
  'no endpoint takes new connections: packets are dropped (drop counter 8)',
);

/** Why a kind of service cannot be served at all. */
export function refusal(es2k: Es2kContext, { protocol }: ServiceObject): Condition | undefined {
  if (!es2k.rows.bound.hasServices) {
    return condition('ServicesNotInPackage', 'the pipeline package on the target has no service tables');
  }
  if (protocol !== 'SCTP') return undefined;
  return condition('ProtocolNotSupported', 'the pipeline balances TCP and UDP only, not SCTP');
}

function endpointOf({ address, port }: Slot): string {
  return formatFrontend({ address, port });
}

function endpointKey({ address, port }: Frontend, { protocol }: ServiceObject): string {
  return `endpoint/${address}/${port}/${protocol}`;
}

function list(names: readonly string[]): string {
  return `${names.slice(0, SHOWN).join(', ')}${names.length > SHOWN ? ` and ${names.length - SHOWN} more` : ''}`;
}
