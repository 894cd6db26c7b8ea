import { messageOf } from '@infra-offload/base';
import { P4Info } from '@infra-offload/p4info/proto';
import {
  SetForwardingPipelineConfigRequest_Action as Action,
  WriteRequest_Atomicity as Atomicity,
  type Entity,
  type ForwardingPipelineConfig,
  type GetForwardingPipelineConfigRequest,
  type ReadRequest,
  GetForwardingPipelineConfigRequest_ResponseType as ResponseType,
  type SetForwardingPipelineConfigRequest,
  type WriteRequest,
} from '@infra-offload/p4rt/proto';
import type { Dataplane } from '../dataplane/dataplane.js';
import { Forwarding } from '../entities/forwarding.js';
import { Journal } from '../entities/journal.js';
import { type LearnedReading, readLearned } from '../entities/learned.js';
import { CONFIG_NOTE, decodeConfig, encodeConfig } from '../entities/notes.js';
import { readEntity } from '../entities/read.js';
import { fail, SoftswitchError } from '../errors.js';
import type { Logger } from '../logger.js';
import { type LoadedConfig, loadConfig } from '../pipeline/config.js';
import { Arbitration } from './arbitration.js';
import { transferState } from './reconcile.js';

/** A pipeline configuration with its entities. */
interface Installed {
  readonly config: ForwardingPipelineConfig;
  readonly name: string;
  readonly forwarding: Forwarding;
}

/** The outcome of each part of a batch, `undefined` meaning OK. */
export type BatchResult = (SoftswitchError | undefined)[];

/** One P4Runtime device: who controls it, which pipeline it runs, and what is in it. Knows nothing of gRPC. */
export class Device {
  readonly #dataplane: Dataplane;
  readonly #logger: Logger | undefined;
  readonly arbitration: Arbitration;
  /** What runs. */
  #committed: Installed | undefined;
  /** What VERIFY_AND_SAVE has left to be committed: reads and writes go there until then. */
  #saved: Installed | undefined;
  /** Requests that change something come one after the other, also while the data plane commits. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    readonly id: bigint,
    dataplane: Dataplane,
    logger: Logger | undefined,
  ) {
    this.#dataplane = dataplane;
    this.#logger = logger;
    this.arbitration = new Arbitration(id);
  }

  /** Whether the program that runs has headers for packets to and from the controller. */
  get hasPacketIo(): boolean {
    const installed = this.#saved ?? this.#committed;
    return installed !== undefined && installed.forwarding.program.p4.packetMetadata.length > 0;
  }

  /**
   * Goes on with a data plane that has been running since before this process, with everything that is in it. If it makes
   * no sense, the log says so, and the device begins without a pipeline.
   */
  async resume(): Promise<void> {
    try {
      const note = await this.#dataplane.noteLeft(CONFIG_NOTE);
      if (note === undefined) return;
      const loaded = loadConfig(this.#dataplane, decodeConfig(note));
      const { config, name } = loaded;
      await this.#dataplane.resume(loaded.pipeline);
      this.#committed = { config, name, forwarding: Forwarding.restore(loaded) };
      const entries = [...this.#committed.forwarding.tables.values()].reduce(
        (sum, { size }) => sum + size,
        0,
      );
      this.#logger?.info({ program: name, entries }, 'the pipeline was taken over unchanged');
    } catch (error) {
      this.#logger?.error(
        { reason: messageOf(error) },
        'the running data plane cannot be taken over: ending it; packets pause until there is another pipeline',
      );
      this.#dataplane.activate(undefined);
    }
  }

  async setPipeline(request: SetForwardingPipelineConfigRequest): Promise<void> {
    this.#checkDevice(request.deviceId);
    await this.#exclusive(async () => {
      this.arbitration.authorize(request);
      const [committed, saved] = [this.#committed, this.#saved];
      this.#applyPipeline(request);
      try {
        await this.#committed?.forwarding.pipeline.commit();
      } catch (error) {
        // The data plane cannot run it after all: back to what it ran.
        this.#committed = committed;
        this.#saved = saved;
        committed?.forwarding.pipeline.note(CONFIG_NOTE, encodeConfig(committed.config));
        committed?.forwarding.pipeline.discard();
        this.#dataplane.activate(committed?.forwarding.pipeline);
        throw error;
      }
    });
  }

  /** The configuration, with what the request asks for; undefined before there is one. */
  getPipeline(request: GetForwardingPipelineConfigRequest): ForwardingPipelineConfig | undefined {
    this.#checkDevice(request.deviceId);
    const config = (this.#saved ?? this.#committed)?.config;
    if (config === undefined) return undefined;
    const { cookie } = config;
    const none = { p4info: undefined, p4DeviceConfig: new Uint8Array(0), cookie };
    switch (request.responseType) {
      case ResponseType.COOKIE_ONLY:
        return none;
      case ResponseType.P4INFO_AND_COOKIE:
        return { ...none, p4info: config.p4info };
      case ResponseType.DEVICE_CONFIG_AND_COOKIE:
        return { ...none, p4DeviceConfig: config.p4DeviceConfig };
      default:
        return config;
    }
  }

  /**
   * Applies a batch. The result has one element for each update that tells how it went; it is empty if all went
   * well. Throws if the batch as a whole is refused.
   */
  async write(request: WriteRequest): Promise<BatchResult> {
    this.#checkDevice(request.deviceId);
    return await this.#exclusive(async () => {
      this.arbitration.authorize(request);
      const { forwarding } = this.#current();
      const { atomicity, updates } = request;
      if (atomicity < Atomicity.CONTINUE_ON_ERROR || atomicity > Atomicity.DATAPLANE_ATOMIC) {
        fail('INVALID_ARGUMENT', `unknown atomicity ${atomicity}`);
      }
      const allOrNone = atomicity !== Atomicity.CONTINUE_ON_ERROR;
      const journal = new Journal();
      let result: BatchResult = [];
      for (let i = 0; i < updates.length; i++) {
        const update = updates[i];
        if (update === undefined) break;
        try {
          forwarding.update(update, journal);
        } catch (error) {
          if (result.length === 0) result = new Array<undefined>(updates.length).fill(undefined);
          result[i] = SoftswitchError.from(error);
          if (allOrNone) {
            journal.rollback();
            result = result.map((each) => each ?? rolledBack(i));
            break;
          }
        }
      }
      try {
        await forwarding.pipeline.commit();
      } catch (error) {
        // The data plane has taken none of it.
        journal.rollback();
        forwarding.pipeline.discard();
        throw error;
      }
      return result;
    });
  }

  /**
   * What the parts of a request select, each either entities, as of now, or an error. Throws if the request as a
   * whole is refused.
   */
  read(request: ReadRequest): (Iterable<Entity> | LearnedReading | SoftswitchError)[] {
    this.#checkDevice(request.deviceId);
    const { forwarding } = this.#current();
    return request.entities.map((entity) => {
      try {
        return readLearned(forwarding, entity) ?? readEntity(forwarding, entity);
      } catch (error) {
        return SoftswitchError.from(error);
      }
    });
  }

  #checkDevice(id: bigint): void {
    if (id !== this.id) fail('NOT_FOUND', `no device ${id}: this is device ${this.id}`);
  }

  #current(): Installed {
    return (
      this.#saved ??
      this.#committed ??
      fail(
        'FAILED_PRECONDITION',
        'the device has no pipeline: set one with SetForwardingPipelineConfig first',
      )
    );
  }

  #applyPipeline({ action, config }: SetForwardingPipelineConfigRequest): void {
    switch (action) {
      case Action.VERIFY:
        Forwarding.begin(loadConfig(this.#dataplane, config));
        return;
      case Action.VERIFY_AND_SAVE:
        this.#saved = this.#install(loadConfig(this.#dataplane, config));
        return;
      case Action.VERIFY_AND_COMMIT:
        this.#commit(this.#install(loadConfig(this.#dataplane, config)));
        return;
      case Action.COMMIT:
        if (config !== undefined)
          fail('INVALID_ARGUMENT', 'COMMIT takes no config: it commits the saved one');
        this.#commit(
          this.#saved ?? fail('NOT_FOUND', 'no config was saved (VERIFY_AND_SAVE) since the last commit'),
        );
        return;
      case Action.RECONCILE_AND_COMMIT:
        this.#reconcile(config);
        return;
      default:
        fail('INVALID_ARGUMENT', `unknown action ${action}`);
    }
  }

  #install(loaded: LoadedConfig): Installed {
    const { config, name, pipeline, warnings } = loaded;
    for (const warning of warnings) this.#logger?.warn({ program: name }, warning);
    pipeline.note(CONFIG_NOTE, encodeConfig(config));
    return { config: detach(config), name, forwarding: Forwarding.begin(loaded) };
  }

  #commit(installed: Installed): void {
    this.#dataplane.activate(installed.forwarding.pipeline);
    this.#committed = installed;
    this.#saved = undefined;
    const { tables, actions } = installed.forwarding.program.p4;
    this.#logger?.info(
      { program: installed.name, tables: tables.length, actions: actions.length },
      'pipeline committed',
    );
  }

  /** Keeps the entities. With the same program everything stays as it is, what the data plane learned included. */
  #reconcile(config: ForwardingPipelineConfig | undefined): void {
    const before = this.#saved ?? this.#committed;
    const loaded = loadConfig(this.#dataplane, config);
    if (before !== undefined && sameProgram(before.config, loaded.config)) {
      before.forwarding.pipeline.note(CONFIG_NOTE, encodeConfig(loaded.config));
      this.#commit({ ...before, config: detach(loaded.config) });
      return;
    }
    const after = this.#install(loaded);
    if (before !== undefined) transferState(before.forwarding, after.forwarding);
    this.#commit(after);
  }

  async #exclusive<T>(action: () => T | Promise<T>): Promise<T> {
    const turn = this.#turn.then(action);
    this.#turn = turn.catch(() => undefined);
    return await turn;
  }
}

function rolledBack(cause: number): SoftswitchError {
  return new SoftswitchError('ABORTED', `rolled back because update #${cause} failed`);
}

function sameProgram(a: ForwardingPipelineConfig, b: ForwardingPipelineConfig): boolean {
  return (
    Buffer.compare(a.p4DeviceConfig, b.p4DeviceConfig) === 0 &&
    a.p4info !== undefined &&
    b.p4info !== undefined &&
    Buffer.compare(P4Info.encode(a.p4info).finish(), P4Info.encode(b.p4info).finish()) === 0
  );
}

/** A copy, because the bytes are views of the whole request. */
function detach(config: ForwardingPipelineConfig): ForwardingPipelineConfig {
  return { ...config, p4DeviceConfig: config.p4DeviceConfig.slice() };
}
