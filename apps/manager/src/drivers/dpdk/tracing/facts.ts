import type { P4Program } from '@infra-offload/p4info';
import type { Trace } from '@infra-offload/swx';
import type { ServiceObject } from '../../../model/objects.js';
import type { TraceQuestion, TraceWorld } from '../../tracing.js';
import { type Lookup, lookupsOf, type Stage } from './lookups.js';
import { type Outcome, outcomeOf } from './outcome.js';

/** What a trace has to say, before it is put into words. */
export class Facts {
  readonly outcome: Outcome;
  /** The service that the packet is for. */
  readonly service: ServiceObject | undefined;
  readonly #stages: ReadonlyMap<Stage, readonly Lookup[]>;

  constructor(
    trace: Trace,
    readonly question: TraceQuestion,
    readonly world: TraceWorld,
    program: P4Program,
  ) {
    this.#stages = lookupsOf(trace, program);
    this.outcome = outcomeOf(trace);
    const id = this.hit('service', 'service')?.args.service_id;
    this.service = id === undefined ? undefined : world.service(id);
  }

  has(stage: Stage): boolean {
    return this.#stages.has(stage);
  }

  of(stage: Stage): readonly Lookup[] {
    return this.#stages.get(stage) ?? [];
  }

  /** The first look-up of a table in a stage. */
  first(stage: Stage, table: string): Lookup | undefined {
    return this.of(stage).find((lookup) => lookup.table === table);
  }

  /** The same, if it was a hit. */
  hit(stage: Stage, table: string): Lookup | undefined {
    const lookup = this.first(stage, table);
    return lookup?.hit === true ? lookup : undefined;
  }
}
