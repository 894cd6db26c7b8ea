import { parseSpec, SwxError, type Trace } from '@infra-offload/swx';
import { fail, messageOf, SoftswitchError } from '../../errors.js';
import type { PortProvider } from '../../ports/provider.js';
import type { Dataplane, Pipeline } from '../dataplane.js';
import { DpdkPipeline, type PipelineRunner } from './pipeline.js';
import {
  type HostStatistics,
  injectBody,
  Operation,
  PortKind,
  readPackets,
  readStatistics,
} from './protocol.js';
import { SwxHost, type SwxHostOptions } from './swx-host.js';
import { type AttachedPort, DpdkTapPorts, type PortSink } from './tap-ports.js';
import { ByteWriter } from './wire.js';

/** Pause before a host that does not stay up is started again; doubled each time, up to the maximum. */
const RESTART_MS = 50;
const RESTART_MAX_MS = 5_000;
/** A host that ran this long has started well. */
const SETTLED_MS = 10_000;
/** Packets on their way to the host through this process; more are dropped. */
const INJECT_LIMIT = 1024;

export interface DpdkOptions extends SwxHostOptions {
  /** Told when a host is up and has everything, for tests and logs. */
  readonly onReady?: (host: SwxHost) => void;
}

/**
 * The data plane that runs programs on DPDK, in a process of its own (tools/swx-host). The process is started with the
 * first program, and again, with everything that was written, when it ends. TAP ports ({@link DpdkTapPorts}) belong to
 * this process and are lent to it, so that they and their traffic survive it; the packets of other ports are carried
 * to and fro, which is for tests.
 */
export class DpdkDataplane implements Dataplane, PipelineRunner, PortSink {
  /** A commit swaps the tables while no packet is on its way. */
  readonly atomicBatches = true;
  readonly commitMayFail = true;
  #active: DpdkPipeline | undefined;
  #host: SwxHost | undefined;
  #ready: Promise<SwxHost> | undefined;
  #stopped = false;
  /** The first start of the pipeline that is active has failed: only activating it again can help. */
  #failed = false;
  #run = 0;
  #inFlight = 0;
  /** Times that the host had to be started again. */
  restarts = 0;

  constructor(
    private readonly ports: PortProvider,
    private readonly options: DpdkOptions,
  ) {
    if (ports instanceof DpdkTapPorts) ports.lendTo(this);
  }

  get host(): SwxHost | undefined {
    return this.#host;
  }

  load(spec: string, file: string): Pipeline {
    try {
      const parsed = parseSpec(spec, { file });
      return new DpdkPipeline(spec, parsed, (pipeline) => (pipeline === this.#active ? this : INACTIVE));
    } catch (error) {
      if (!SwxError.is(error)) throw error;
      throw new SoftswitchError('INVALID_ARGUMENT', error.message, {
        cause: error,
        details: { ...error.details },
      });
    }
  }

  activate(pipeline: Pipeline | undefined): void {
    if (pipeline !== undefined && !(pipeline instanceof DpdkPipeline)) {
      fail('INTERNAL', 'the pipeline belongs to another data plane');
    }
    if (pipeline === this.#active && !this.#failed) return;
    this.#failed = false;
    this.#active = pipeline;
    const before = this.#host;
    this.#host = undefined;
    const run = ++this.#run;
    const stopped = before?.stop() ?? Promise.resolve();
    this.#ready =
      pipeline === undefined ? undefined : stopped.then(() => this.#start(pipeline, run, RESTART_MS));
    this.#ready?.catch(() => {
      if (run === this.#run) this.#failed = true;
    });
  }

  whenReady(): Promise<SwxHost> | undefined {
    return this.#ready;
  }

  readonly receive = (port: number, buffer: Uint8Array, length: number): void => {
    const host = this.#host;
    if (host === undefined || this.#inFlight >= INJECT_LIMIT) return;
    this.#inFlight++;
    const body = injectBody([{ port, packet: buffer.subarray(0, length) }]);
    host
      .request(Operation.INJECT, body)
      .then((reader) => {
        for (const emitted of readPackets(reader)) this.ports.transmit(emitted.port, emitted.packet);
      })
      .catch((error: unknown) => this.options.logger?.debug({ port, error }, 'a packet was not taken'))
      .finally(() => {
        this.#inFlight--;
      });
  };

  trace(): Trace {
    fail('UNIMPLEMENTED', 'packets on DPDK cannot be traced; the engine can (dataplane: engine)');
  }

  /** What the host has counted since it was started; undefined while there is none. */
  statistics(): HostStatistics | undefined {
    return this.#host === undefined ? undefined : readStatistics(this.#host.requestNow(Operation.STATISTICS));
  }

  attach(port: AttachedPort): void {
    if (this.#host !== undefined) attachTo(this.#host, port);
  }

  detach(number: number): void {
    this.#host?.requestNow(Operation.REMOVE_PORT, new ByteWriter().u16(number).view());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#active = undefined;
    this.#run++;
    const host = this.#host;
    this.#host = undefined;
    await this.#ready?.catch(() => undefined);
    await host?.stop();
  }

  async #start(pipeline: DpdkPipeline, run: number, pause: number): Promise<SwxHost> {
    const { logger, onReady } = this.options;
    const started = performance.now();
    const host = await SwxHost.start(pipeline.text, this.options);
    try {
      await pipeline.program(host);
      if (this.#obsolete(run)) fail('ABORTED', 'the pipeline was replaced');
      for (const port of this.#portsToAttach(host)) attachTo(host, port);
      // Packets wait in the devices until everything is in its place.
      host.requestNow(Operation.START);
    } catch (error) {
      await host.stop();
      throw error;
    }
    this.#host = host;
    host.portLost((port) => {
      if (this.ports instanceof DpdkTapPorts) this.ports.lost(port);
    });
    const { dpdk, pid } = host.greeting;
    logger?.info({ pid, dpdk, milliseconds: Math.round(performance.now() - started) }, 'swx-host is ready');
    onReady?.(host);
    void host.ended.then((reason) => {
      if (this.#obsolete(run)) return;
      const settled = performance.now() - started > SETTLED_MS;
      logger?.error({ reason }, 'swx-host has ended: starting it again');
      this.#restart(pipeline, run, settled ? RESTART_MS : pause);
    });
    return host;
  }

  #restart(pipeline: DpdkPipeline, run: number, pause: number): void {
    this.#host = undefined;
    this.restarts++;
    const next = Math.min(pause * 2, RESTART_MAX_MS);
    const ready = this.#start(pipeline, run, next);
    this.#ready = ready;
    ready.catch((error: unknown) => {
      if (this.#obsolete(run)) return;
      this.options.logger?.error({ reason: messageOf(error) }, 'swx-host does not start: trying again');
      setTimeout(() => {
        if (!this.#obsolete(run)) this.#restart(pipeline, run, next);
      }, next).unref();
    });
  }

  #obsolete(run: number): boolean {
    return this.#stopped || run !== this.#run;
  }

  #portsToAttach(host: SwxHost): AttachedPort[] {
    if (this.ports instanceof DpdkTapPorts) return this.ports.lent();
    const all = this.ports.list();
    const tooHigh = all.find(({ number }) => number >= host.greeting.slots);
    if (tooHigh !== undefined) {
      fail('RESOURCE_EXHAUSTED', `port ${tooHigh.name}: swx-host has ${host.greeting.slots} ports`);
    }
    return all.map(({ number, name }) => ({ number, name, descriptor: undefined }));
  }
}

/** For pipelines that were loaded and do not run. */
const INACTIVE: PipelineRunner = { host: undefined, whenReady: () => undefined };

function attachTo(host: SwxHost, { number, name, descriptor }: AttachedPort): void {
  const kind = descriptor === undefined ? PortKind.MEMORY : PortKind.DESCRIPTOR;
  host.requestNow(Operation.ADD_PORT, new ByteWriter().u16(number).u8(kind).text(name).view(), descriptor);
}
