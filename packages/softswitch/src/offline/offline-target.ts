import type { P4Info } from '@infra-offload/p4info/proto';
import type { Entity, Update } from '@infra-offload/p4rt/proto';
import type { Trace } from '@infra-offload/swx';
import { parseAction } from '../entities/actions.js';
import { Forwarding } from '../entities/forwarding.js';
import { parseKey } from '../entities/keys.js';
import { fail } from '../errors.js';
import { loadConfig } from '../pipeline/config.js';
import { OfflinePipeline } from './offline-pipeline.js';

/**
 * A program with entities, as a switch has them, but without ports, clients or a data plane: it tells what would happen to
 * a packet. What throws is a SoftswitchError.
 */
export class OfflineTarget {
  readonly #pipeline: OfflinePipeline;
  readonly #forwarding: Forwarding;

  /** Takes what SetForwardingPipelineConfig takes. INVALID_ARGUMENT if it cannot be realised. */
  constructor(p4info: P4Info, p4DeviceConfig: Uint8Array) {
    let pipeline: OfflinePipeline | undefined;
    const load = (spec: string, file: string) => {
      pipeline = new OfflinePipeline(spec, file);
      return pipeline;
    };
    this.#forwarding = Forwarding.begin(loadConfig({ load }, { p4info, p4DeviceConfig, cookie: undefined }));
    this.#pipeline = pipeline ?? fail('INTERNAL', 'the config was loaded without a program');
  }

  /** Carries out an update of tables, action profiles, counters or registers. */
  write(update: Update): void {
    this.#forwarding.update(update, undefined);
  }

  /** Has a table that the data plane fills know an entry of another one; gives the entry's number in the program. */
  learn({ entity }: Entity): number {
    if (entity?.$case !== 'tableEntry') fail('INVALID_ARGUMENT', 'only tables learn');
    const { tableId, match, action } = entity.value;
    const { table } = this.#forwarding.table(tableId);
    const what = `table ${table.p4.alias}`;
    if (action?.type?.$case !== 'action') fail('INVALID_ARGUMENT', `${what}: the action is missing`);
    const { action: bound, args } = parseAction(what, table.actions, action.type.value, 'entry');
    const key = parseKey(table, match, 0).fields.map(({ value }) => value);
    return this.#pipeline.learn(table.target, key, bound.target, args);
  }

  /** Runs a packet and tells each step. What the program learns from it is there for the next one. */
  trace(port: number, packet: Uint8Array): Trace {
    return this.#pipeline.trace(port, packet);
  }
}
