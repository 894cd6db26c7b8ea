import { P4Program } from '@infra-offload/p4info';
import type { P4Info } from '@infra-offload/p4info/proto';
import { P4rtError } from '../errors.js';
import {
  type ForwardingPipelineConfig,
  GetForwardingPipelineConfigRequest_ResponseType,
  P4RuntimeService,
  SetForwardingPipelineConfigRequest_Action,
} from '../gen/p4/v1/p4runtime.js';
import type { Rpc } from '../rpc.js';
import type { ControllerIdentity } from './state.js';
import { toUint128 } from './uint128.js';

/** What to do with a new pipeline. Committing a saved one is `commitPipeline()`. */
export type PipelineAction = 'VERIFY' | 'VERIFY_AND_SAVE' | 'VERIFY_AND_COMMIT' | 'RECONCILE_AND_COMMIT';

/** Which parts of a pipeline to get. */
export type PipelineParts = 'ALL' | 'COOKIE_ONLY' | 'P4INFO_AND_COOKIE' | 'DEVICE_CONFIG_AND_COOKIE';

/** A pipeline read back; parts that were not asked for, or that the server does not have, are absent. */
export interface PipelineConfig {
  readonly p4info?: P4Info;
  readonly deviceConfig?: Uint8Array;
  readonly cookie?: bigint;
}

/** Pushing a pipeline may make the target compile it. */
const SET_DEADLINE_MS = 120_000;

/** The forwarding pipeline config RPCs of a session. */
export class Pipeline {
  readonly #rpc: Rpc;
  readonly #identity: ControllerIdentity;
  #p4info: P4Info | undefined;
  #program: P4Program | undefined;

  constructor(rpc: Rpc, identity: ControllerIdentity) {
    this.#rpc = rpc;
    this.#identity = identity;
  }

  /** The program that was last set or got, if it is a sound one. */
  get program(): P4Program | undefined {
    if (this.#program === undefined && this.#p4info !== undefined) {
      try {
        this.#program = P4Program.fromP4Info(this.#p4info);
      } catch {
        // It only serves to print names: what is wrong with it is for the server to say.
        this.#p4info = undefined;
      }
    }
    return this.#program;
  }

  async set(
    p4info: P4Program | P4Info,
    deviceConfig: Uint8Array,
    options: { readonly action: PipelineAction; readonly cookie?: bigint; readonly deadlineMs?: number },
  ): Promise<void> {
    const { action, cookie, deadlineMs } = options;
    const program = 'p4info' in p4info ? p4info : undefined;
    const message = 'p4info' in p4info ? p4info.p4info : p4info;
    await this.#send(
      SetForwardingPipelineConfigRequest_Action[action],
      {
        p4info: message,
        p4DeviceConfig: deviceConfig,
        cookie: cookie === undefined ? undefined : { cookie },
      },
      deadlineMs,
    );
    if (action === 'VERIFY') return;
    this.#program = program;
    this.#p4info = message;
  }

  async commit(deadlineMs: number | undefined): Promise<void> {
    await this.#send(SetForwardingPipelineConfigRequest_Action.COMMIT, undefined, deadlineMs);
  }

  async get(parts: PipelineParts): Promise<PipelineConfig | undefined> {
    const config = await this.#current(parts);
    if (config === undefined) return undefined;
    if (config.p4info !== undefined) {
      this.#program = undefined;
      this.#p4info = config.p4info;
    }
    return {
      ...(config.p4info === undefined ? {} : { p4info: config.p4info }),
      ...(config.p4DeviceConfig.length === 0 ? {} : { deviceConfig: config.p4DeviceConfig }),
      ...(config.cookie === undefined ? {} : { cookie: config.cookie.cookie }),
    };
  }

  /** The specification leaves the config unset where there is none; behavioral-model and others fail instead. */
  async #current(parts: PipelineParts): Promise<ForwardingPipelineConfig | undefined> {
    try {
      const { config } = await this.#rpc.unary(P4RuntimeService.getForwardingPipelineConfig, {
        deviceId: this.#identity.deviceId,
        responseType: GetForwardingPipelineConfigRequest_ResponseType[parts],
      });
      return config;
    } catch (error) {
      if (P4rtError.is(error, 'FAILED_PRECONDITION')) return undefined;
      throw error;
    }
  }

  async #send(
    action: SetForwardingPipelineConfigRequest_Action,
    config: ForwardingPipelineConfig | undefined,
    deadlineMs = SET_DEADLINE_MS,
  ): Promise<void> {
    const { deviceId, electionId, role } = this.#identity;
    await this.#rpc.unary(
      P4RuntimeService.setForwardingPipelineConfig,
      {
        deviceId,
        roleId: role?.id ?? 0n,
        role: role?.name ?? '',
        electionId: toUint128(electionId),
        action,
        config,
      },
      deadlineMs,
    );
  }
}
