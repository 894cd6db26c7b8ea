import type { GroupPlan } from '@infra-offload/lb-model';
import { PROTOCOL_NUMBERS } from '@infra-offload/net';
import { AFFINITY_TIMEOUTS, ServiceFlag } from '@infra-offload/p4src';
import { type Condition, condition } from '../../model/condition.js';
import { describeKey, type Frontend, type ServiceObject } from '../../model/objects.js';
import { formatFrontend, frontendKey, unsupportedAddresses } from '../common.js';
import type { CompileContext, Compiled, ServiceAllocation } from '../driver.js';
import type { DpdkRow } from './rows.js';
import { endpointNumber, GROUP_SLOTS, type GroupRow, groupRow } from './tables/services.js';

/**
 * A service's rows: an endpoint per slot that is active or draining, one group of the active slots and its entry, and
 * one service entry per frontend that no other service holds.
 */
export function compileService(
  service: ServiceObject | undefined,
  { id, plan }: ServiceAllocation,
  context: CompileContext,
): Compiled<DpdkRow> {
  const rows: DpdkRow[] = [];
  for (const slot of plan.slots) {
    if (slot.state === 'resting') continue;
    rows.push({
      table: 'endpoint',
      id: endpointNumber(id, slot.slot),
      ip: slot.address,
      port: slot.port,
      isDraining: slot.state === 'draining',
    });
  }
  if (service === undefined) return { rows, conditions: [] };

  const conditions: Condition[] = [];
  const group = groupOf(id, plan);
  if (group !== undefined) rows.push(group, { table: 'endpoint_group', id });
  else if (service.frontends.length > 0)
    conditions.push(service.hasEndpointsElsewhere ? NO_LOCAL_ENDPOINTS : NO_ENDPOINTS);
  const affinity = affinityOf(service, conditions);
  const flags =
    (affinity === undefined ? 0 : ServiceFlag.affinity) |
    (group === undefined ? ServiceFlag.noEndpoints : 0) |
    (group === undefined && service.hasEndpointsElsewhere ? ServiceFlag.notLocal : 0);
  const lost: string[] = [];
  const other: string[] = [];
  for (const frontend of service.frontends) {
    const targetPort = service.protocol === 'SCTP' ? otherPort(frontend, plan) : undefined;
    if (targetPort !== undefined) {
      other.push(`${formatFrontend(frontend)} (target port ${targetPort})`);
      continue;
    }
    const holder = context.holder(frontendKey(frontend, service.protocol));
    if (holder !== undefined) {
      lost.push(`${formatFrontend(frontend)} (held by ${describeKey(holder)})`);
      continue;
    }
    rows.push({
      table: 'service',
      ip: frontend.address,
      protocol: PROTOCOL_NUMBERS[service.protocol],
      port: frontend.port,
      id,
      flags,
      affinityProfile: affinity ?? 0,
    });
    rows.push({ table: 'service_address', ip: frontend.address });
  }
  if (lost.length > 0) {
    conditions.push(condition('FrontendConflict', `another service has ${lost.join(', ')}`));
  }
  if (other.length > 0) {
    const message = `the pipeline cannot change the ports of SCTP: not served are ${other.join(', ')}`;
    conditions.push(condition('SctpPortChanged', message));
  }
  if (plan.overflow.length > 0) {
    const message = `${service.endpoints.length} endpoints, ${GROUP_SLOTS} of which are served: a group has ${GROUP_SLOTS} slots`;
    conditions.push(condition('TooManyEndpoints', message));
  }
  if (service.unsupportedAddresses.length > 0)
    conditions.push(unsupportedAddresses(service.unsupportedAddresses));
  return { rows, conditions };
}

/** The port of an endpoint that takes new connections, if it is another than the frontend's. */
function otherPort({ port }: Frontend, { slots }: GroupPlan): number | undefined {
  return slots.find((slot) => slot.state === 'active' && slot.port !== port)?.port;
}

const NO_ENDPOINTS = condition(
  'NoEndpoints',
  'no endpoint takes new connections: they are refused (reject counter 4)',
);

const NO_LOCAL_ENDPOINTS = condition(
  'NoLocalEndpoints',
  'the endpoints are on other nodes, which the traffic policy Local leaves out: packets are dropped (drop counter 12)',
);

function groupOf(id: number, plan: GroupPlan): GroupRow | undefined {
  const members: { slot: number; weight: number }[] = [];
  for (const slot of plan.slots) {
    if (slot.state === 'active') members.push({ slot: slot.slot, weight: slot.weight });
  }
  return members.length === 0 ? undefined : groupRow(id, members);
}

/** Index of the shortest timeout that is long enough, or the longest. */
function affinityOf(service: ServiceObject, conditions: Condition[]): number | undefined {
  const wanted = service.affinitySeconds;
  if (wanted === undefined) return undefined;
  let best = 0;
  AFFINITY_TIMEOUTS.forEach((seconds, i) => {
    const known = AFFINITY_TIMEOUTS[best] ?? 0;
    if (seconds >= wanted ? known < wanted || seconds < known : seconds > known) best = i;
  });
  const given = AFFINITY_TIMEOUTS[best];
  if (given !== wanted) {
    const message = `session affinity lasts ${given} s instead of ${wanted} s: the pipeline has fixed timeouts`;
    conditions.push(condition('AffinityTimeoutChanged', message));
  }
  return best;
}
