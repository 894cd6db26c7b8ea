import type { Mac } from '@infra-offload/net';
import type { P4Program } from '@infra-offload/p4info';
import { typedProgram } from '@infra-offload/p4rt';
import { ES2K_DROP_REASONS } from '@infra-offload/p4src';
import { unreachable } from '../../errors.js';
import { podClaims } from '../common.js';
import type { Driver, DropCounter } from '../driver.js';
import { baseRows } from './base.js';
import { foundServices } from './found.js';
import type { Es2kContext } from './interface.js';
import { limitsOf } from './limits.js';
import { compileNode, nodeClaims, nodeInterfaces } from './node.js';
import { compilePod } from './pod.js';
import { es2kPolicy } from './policy.js';
import { profileLimit } from './policy-ids.js';
import { bindContract } from './program.js';
import { type Es2kRow, Es2kRows, es2kModel } from './rows.js';
import { compileService, reachable, refusal, serviceClaims } from './service.js';

/** Seconds for which an idle TCP connection keeps its endpoint, and a UDP flow. See "What a packet does" of the contract. */
const TCP_MEMORY_SECONDS = 43_200;
const UDP_MEMORY_SECONDS = 120;

/** What a deployment chooses. */
export interface Es2kOptions {
  /** The program on the device, with or without tables for services and for policy. */
  readonly program: P4Program;
  readonly deviceConfig: Uint8Array;
  /** Source MAC of what the data plane sends to pods, as a number: that of the ARP proxy. */
  readonly gatewayMac: Mac;
  /** Interface of who answers ARP for the pods' gateway; the node's own if left out. */
  readonly arpProxyInterface?: string | undefined;
}

/**
 * The driver of the `k8s_dp` packages for ES2K, and of the portable program with the same tables. The contract is
 * p4src/es2k/README.md.
 *
 * @throws ManagerError CONFIG when the program lacks what the contract needs.
 */
export function es2kDriver({
  program,
  deviceConfig,
  gatewayMac,
  arpProxyInterface,
}: Es2kOptions): Driver<Es2kRow> {
  const bound = bindContract(program);
  const rows = new Es2kRows(bound);
  const limits = limitsOf(bound);
  const es2k: Es2kContext = { rows, limits, gatewayMac, arpProxyInterface };
  return {
    ...es2kModel,
    program,
    deviceConfig,
    tables: [...bound.tables.keys()],
    limits,
    policy: es2kPolicy(rows, profileLimit(bound)),

    base: () => baseRows(rows),
    node: (node, context) => compileNode(es2k, node, context),
    pod: (pod, context) => compilePod(es2k, pod, context),
    service: (service, allocation, context) => compileService(es2k, service, allocation, context),
    services: (found) => foundServices(es2k, found),
    // It has no flows that outlive pods.
    pods: () => [],
    refusal: (service) => refusal(es2k, service),
    reachable,
    memorySeconds: (service) => (service.protocol === 'TCP' ? TCP_MEMORY_SECONDS : UDP_MEMORY_SECONDS),
    remembersClients: () => false,

    claims(object, context) {
      switch (object.kind) {
        case 'node':
          return nodeClaims(es2k, object, context);
        case 'pod':
          return podClaims(object, context);
        case 'service':
          return refusal(es2k, object) === undefined ? serviceClaims(object, context) : [];
        default:
          return unreachable(object);
      }
    },
    interfaces(object) {
      switch (object.kind) {
        case 'node':
          return nodeInterfaces(es2k, object);
        case 'pod':
          return [object.interfaceName];
        case 'service':
          return [];
        default:
          return unreachable(object);
      }
    },

    toEntity: (row) => rows.toEntity(row),
    fromEntity: (entity) => rows.fromEntity(entity),
    readAll(table) {
      for (const one of bound.tables.values()) if (one.name === table) return [one.table.all()];
      return [];
    },
    drops: dropCounter(program),
    serviceFlows: undefined,
  };
}

/** The portable program counts drops; a package for the chip may not. */
function dropCounter(program: P4Program): DropCounter | undefined {
  if (program.counters.every(({ alias }) => alias !== 'drop_counter')) return undefined;
  const counter = typedProgram(program.describe('es2k')).counter('drop_counter');
  return {
    name: counter.name,
    cell: (index) => counter.cell(index),
    decode: (entity) => counter.decode(entity),
    reasons: ES2K_DROP_REASONS,
  };
}
