import { status } from '@grpc/grpc-js';
import { entityKey } from '@infra-offload/p4rt';
import {
  type Entity,
  type ReadRequest,
  type Update,
  Update_Type,
  type WriteRequest,
} from '@infra-offload/p4rt/proto';
import { FakeServer, updateErrors } from '@infra-offload/p4rt/testing';
import { Contents } from '../contents.js';
import type { SwitchOptions } from '../options.js';

/** A switch that holds what is written, refuses what names something that is not there, and fails as told. */
export class TestDevice {
  readonly entities = new Map<string, Entity>();
  /** Updates that named something that was not there, or took away what was named. */
  readonly violations: string[] = [];
  /** Codes that the next updates end with instead of being done. */
  refusals: number[] = [];
  readonly #contents: Contents;

  private constructor(
    readonly server: FakeServer,
    options: Pick<SwitchOptions, 'program' | 'tables'>,
  ) {
    this.#contents = new Contents(options.program, options.tables);
    server.onWrite = (request) => this.#write(request);
    server.onRead = (request, call) => {
      call.write({ entities: this.#read(request) });
      call.end();
    };
    server.onSetPipeline = ({ config }) => {
      server.pipeline = { config };
      return 'ok';
    };
  }

  static async start(options: Pick<SwitchOptions, 'program' | 'tables'>): Promise<TestDevice> {
    return new TestDevice(await FakeServer.start(), options);
  }

  /** Loses everything, as a switch does that is switched off and on. */
  async restart(): Promise<void> {
    this.entities.clear();
    this.server.pipeline = { config: undefined };
    await this.server.restart();
  }

  /** Does one update; the code of its end. */
  apply({ type, entity }: Update): number {
    if (entity === undefined) return status.INVALID_ARGUMENT;
    const key = entityKey(entity);
    const exists = this.entities.has(key);
    if (isDefault(entity)) {
      if (type !== Update_Type.MODIFY) return status.INVALID_ARGUMENT;
      if (hasAction(entity)) this.entities.set(key, entity);
      else this.entities.delete(key);
      return status.OK;
    }
    if (type === Update_Type.INSERT ? exists : !exists)
      return exists ? status.ALREADY_EXISTS : status.NOT_FOUND;
    if (type === Update_Type.DELETE) {
      if ([...this.entities.values()].some((other) => this.#requires(other).includes(key)))
        return status.FAILED_PRECONDITION;
      this.entities.delete(key);
      return status.OK;
    }
    if (this.#requires(entity).some((needed) => !this.entities.has(needed))) return status.NOT_FOUND;
    this.entities.set(key, entity);
    return status.OK;
  }

  #write({ updates }: WriteRequest) {
    const codes = updates.map((update) => {
      const code = this.refusals.shift() ?? this.apply(update);
      const namesWhatIsNot = code === status.NOT_FOUND && update.type === Update_Type.INSERT;
      if (namesWhatIsNot || (code === status.FAILED_PRECONDITION && update.type === Update_Type.DELETE))
        this.violations.push(`${Update_Type[update.type]} ${update.entity && entityKey(update.entity)}`);
      return code;
    });
    return codes.every((code) => code === status.OK) ? 'ok' : updateErrors(codes);
  }

  #requires(entity: Entity): readonly string[] {
    return this.#contents.found(entity)?.requires ?? [];
  }

  #read({ entities }: ReadRequest): Entity[] {
    return entities.flatMap((wanted) => [...this.entities.values()].filter((one) => matches(wanted, one)));
  }
}

function isDefault({ entity }: Entity): boolean {
  return entity?.$case === 'tableEntry' && entity.value.isDefaultAction;
}

function hasAction({ entity }: Entity): boolean {
  return entity?.$case === 'tableEntry' && entity.value.action !== undefined;
}

/** Whether a wildcard is for that entity. */
function matches({ entity: wanted }: Entity, { entity: one }: Entity): boolean {
  if (wanted?.$case === 'tableEntry' && one?.$case === 'tableEntry') {
    return (
      wanted.value.tableId === one.value.tableId && wanted.value.isDefaultAction === one.value.isDefaultAction
    );
  }
  if (wanted?.$case === 'actionProfileMember' && one?.$case === 'actionProfileMember')
    return wanted.value.actionProfileId === one.value.actionProfileId;
  if (wanted?.$case === 'actionProfileGroup' && one?.$case === 'actionProfileGroup')
    return wanted.value.actionProfileId === one.value.actionProfileId;
  return false;
}
