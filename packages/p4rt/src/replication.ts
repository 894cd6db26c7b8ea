import { hex, noBytes, type PortInput, portBytes } from './bytes.js';
import { invalid } from './errors.js';
import type { Entity, Replica } from './gen/p4/v1/p4runtime.js';
import { uint32 } from './typed/indirect.js';

/** A copy of a packet: by its port, or by `egressPort` for servers older than P4Runtime 1.4. */
export type ReplicaInput = ({ readonly port: PortInput } | { readonly egressPort: number }) & {
  /** Tells copies to one port apart; default 0. */
  readonly instance?: number;
};

/** How a clone session copies. */
export interface CloneSessionInput {
  readonly replicas: readonly ReplicaInput[];
  /** Default 0. */
  readonly classOfService?: number;
  /** Bytes of the packet that are copied; 0, the default, is all. */
  readonly packetLengthBytes?: number;
}

/** A multicast group; without replicas its key, to read or remove it. @throws P4rtError INVALID */
export function multicastGroup(id: number, replicas: readonly ReplicaInput[] = []): Entity {
  if (!Number.isInteger(id) || id < 1 || id > 0xffff_ffff)
    throw invalid(`multicast group id ${named(id)} is not within 1..2^32-1`);
  return {
    entity: {
      $case: 'packetReplicationEngineEntry',
      value: {
        type: {
          $case: 'multicastGroupEntry',
          value: {
            multicastGroupId: id,
            replicas: toReplicas(`multicast group ${id}`, replicas),
            metadata: noBytes(),
          },
        },
      },
    },
  };
}

/** A clone session; without `session` its key, to read or remove it. @throws P4rtError INVALID */
export function cloneSession(id: number, session: CloneSessionInput = { replicas: [] }): Entity {
  if (!Number.isInteger(id) || id < 1 || id > 0xffff_ffff)
    throw invalid(`clone session id ${named(id)} is not within 1..2^32-1`);
  return {
    entity: {
      $case: 'packetReplicationEngineEntry',
      value: {
        type: {
          $case: 'cloneSessionEntry',
          value: {
            sessionId: id,
            replicas: toReplicas(`clone session ${id}`, session.replicas),
            classOfService: session.classOfService ?? 0,
            packetLengthBytes: session.packetLengthBytes ?? 0,
          },
        },
      },
    },
  };
}

/** For a message; callers in JavaScript may give anything. */
function named(id: unknown): string {
  return typeof id === 'number' ? String(id) : `(${typeof id})`;
}

function toReplicas(where: string, replicas: readonly ReplicaInput[]): Replica[] {
  const seen = new Set<string>();
  return replicas.map((replica) => {
    const { instance = 0 } = replica;
    const portKind: Replica['portKind'] =
      'port' in replica
        ? { $case: 'port', value: portBytes(where, replica.port) }
        : { $case: 'egressPort', value: uint32(replica.egressPort, `${where}: egress port`) };
    const port = portKind.$case === 'port' ? hex(portKind.value) : String(portKind.value);
    const key = `${port}/${instance}`;
    if (seen.has(key))
      throw invalid(`${where}: port ${port} has instance ${instance} twice`, { port, instance });
    seen.add(key);
    return {
      portKind,
      instance: uint32(instance, `${where}: instance`),
      backupReplicas: [],
    };
  });
}
