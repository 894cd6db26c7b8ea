import type { WarningReason } from '@infra-offload/infra-api';
import type { Mac } from '@infra-offload/net';
import {
  CONNTRACK_TIMEOUTS,
  type ConntrackTimeouts,
  type DropReasonName,
  dropReasons,
  k8sDp,
  k8sDpDeviceConfig,
  k8sDpP4Info,
  MAX_SERVICE_ID,
  POLICY_CLASSES,
} from '@infra-offload/p4src';
import { unreachable } from '../../errors.js';
import { frontendClaims, podClaims } from '../common.js';
import type { CounterFace, Driver } from '../driver.js';
import { dpdkDenials } from './denials.js';
import { dpdkFlowTable } from './flow-table.js';
import { dpdkFlows } from './flows.js';
import { foundPods, foundServices } from './found.js';
import { compileNode, nodeClaims, nodeInterfaces } from './node.js';
import { compilePod } from './pod.js';
import { dpdkPolicy } from './policy.js';
import { type DpdkRow, dpdkRows, fromEntity, READ_ALL, toEntity } from './rows.js';
import { compileService } from './service.js';
import { type PodShare, podShares } from './shares.js';
import { GROUP_SLOTS } from './tables/services.js';
import { memoryOf } from './timeouts.js';
import { dpdkTracing } from './tracing/tracing.js';

/** What a deployment chooses. */
export interface DpdkOptions {
  /** Source MAC of what the data plane sends to pods, as a number. */
  readonly gatewayMac: Mac;
  /** Whether flows end that policies deny by now. */
  readonly endsDeniedFlows: boolean;
  /** Seconds after which flows end, by index; the program's own if left out. */
  readonly timeouts?: ConntrackTimeouts;
  /** No limits if left out. */
  readonly podShare?: PodShare;
}

const WARNINGS: Partial<Record<DropReasonName, WarningReason>> = {
  conntrackConflict: 'SourcePortsExhausted',
  conntrackFull: 'FlowTableFull',
  podShare: 'PodShareExceeded',
};

const NO_SHARE: PodShare = { newFlowsPerSecond: 0, unansweredFlowsPerSecond: 0 };

/** The driver of the `k8s_dp` pipeline for DPDK. The contract of its tables is p4src/dpdk/README.md. */
export function dpdkDriver(options: DpdkOptions): Driver<DpdkRow> {
  const { gatewayMac, endsDeniedFlows, timeouts = CONNTRACK_TIMEOUTS, podShare = NO_SHARE } = options;
  const memory = memoryOf(timeouts);
  const program = k8sDpP4Info();
  return {
    ...dpdkRows,
    program,
    deviceConfig: k8sDpDeviceConfig(timeouts),
    tables: [...READ_ALL.keys()],
    limits: { serviceIds: MAX_SERVICE_ID, slots: GROUP_SLOTS, endpointsPerService: GROUP_SLOTS, buckets: 0 },
    settings: [podShares(podShare)],

    // Members are the same for all groups: member i is slot i.
    base: () => Array.from({ length: GROUP_SLOTS }, (_, i): DpdkRow => ({ table: 'member', id: i + 1 })),
    node: (node, context) => compileNode(node, context, gatewayMac),
    pod: (pod, context) => compilePod(pod, context, gatewayMac),
    service: compileService,
    services: foundServices,
    pods: foundPods,
    policy: dpdkPolicy,
    flows: dpdkFlows(endsDeniedFlows),
    flowTable: dpdkFlowTable(timeouts),
    tracing: dpdkTracing(program),
    refusal: () => undefined,
    memorySeconds: ({ protocol }) => memory[protocol],
    reachable: (service) => service.endpoints,
    remembersClients: (service) => service.affinitySeconds !== undefined,

    claims(object, context) {
      switch (object.kind) {
        case 'node':
          return nodeClaims(object, context);
        case 'pod':
          return podClaims(object, context);
        case 'service':
          return frontendClaims(object);
        default:
          return unreachable(object);
      }
    },
    interfaces(object) {
      switch (object.kind) {
        case 'node':
          return nodeInterfaces(object);
        case 'pod':
          return [object.interfaceName];
        case 'service':
          return [];
        default:
          return unreachable(object);
      }
    },

    toEntity,
    fromEntity,
    readAll: (table) => READ_ALL.get(table) ?? [],
    drops: {
      ...counterFace(k8sDp.counters.drop_counter),
      reasons: dropReasons.map(({ reason, name, text }) => ({ reason, text, warning: WARNINGS[name] })),
    },
    rejects: { ...counterFace(k8sDp.counters.reject_counter), reasons: dropReasons },
    denials: dpdkDenials,
    policyCounters: {
      allowed: counterFace(k8sDp.counters.policy_allowed),
      classes: POLICY_CLASSES,
      cellOf: (profile, ruleClass) => profile * POLICY_CLASSES + ruleClass,
      denied: counterFace(k8sDp.counters.policy_denied),
    },
    serviceFlows: counterFace(k8sDp.counters.service_counter),
  };
}

function counterFace(counter: (typeof k8sDp.counters)['drop_counter']): CounterFace {
  return {
    name: counter.name,
    cell: (index) => counter.cell(index),
    decode: (entity) => counter.decode(entity),
  };
}
