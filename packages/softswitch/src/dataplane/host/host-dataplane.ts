import { Backoff, type BackoffOptions, messageOf } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import { parseSpec, SwxError, type Trace } from '@infra-offload/swx';
import { fail, SoftswitchError } from '../../errors.js';
import type { Logger } from '../../logger.js';
import type { PortProvider } from '../../ports/provider.js';
import { type AttachedPort, type PortSink, TapPorts } from '../../ports/tap.js';
import type { Dataplane, Pipeline } from '../dataplane.js';
import type { Host, HostSource } from './host.js';
import { HostPipeline, type PipelineRunner } from './host-pipeline.js';
import { injectBody, readPackets } from './packets.js';
import { Operation, PortKind, readPorts, softwareOf } from './protocol.js';
import { type HostStatistics, readStatistics } from './statistics.js';
import { readTrace } from './trace.js';
import { ByteWriter } from './wire.js';

/** Pause before a host that does not stay up is started again; doubled each time, up to the maximum. */
const RESTART: BackoffOptions = { initialMs: 100, maxMs: 5_000 };
/** A host that ran this long has started well. */
const SETTLED_MS = 10_000;
/** Packets on their way to the host through this process; more are dropped. */
const INJECT_LIMIT = 1024;

export interface HostDataplaneOptions {
  readonly logger?: Logger;
  /** Told when a host is up and has everything, for tests and logs. */
  readonly onReady?: (host: Host) => void;
}

/**
 * The data plane that runs programs in a host: a process of its own (HostProcesses), or the engine in this one
 * (LocalEngine). The host is started with the first program, unless it has been running all the time, and again,
 * with everything that was written, when it ends. TAP ports ({@link TapPorts}) are lent to it, so that they and their
 * traffic survive it, and this process, too; the packets of other ports are carried to and fro, which is for tests.
 */
export class HostDataplane implements Dataplane, PortSink {
  readonly #ports: PortProvider;
  readonly #source: HostSource;
  readonly #options: HostDataplaneOptions;
  readonly #logger: Logger | undefined;
  readonly #guard = new Guard((error) => this.#logger?.error({ err: error }, 'internal error'));
  #active: HostPipeline | undefined;
  #host: Host | undefined;
  #ready: Promise<Host> | undefined;
  #stopped = false;
  /** The first start of the pipeline that is active has failed: only activating it again can help. */
  #failed = false;
  #run = 0;
  readonly #restarting = new Backoff(RESTART);
  #inFlight = 0;
  /** Times that the host had to be started again. */
  restarts = 0;
  readonly #runner: PipelineRunner;
  readonly #inactive: PipelineRunner;

  constructor(ports: PortProvider, source: HostSource, options: HostDataplaneOptions = {}) {
    this.#ports = ports;
    this.#source = source;
    this.#options = options;
    this.#logger = options.logger;
    const { name, steadyRules } = source;
    const self = this;
    this.#runner = {
      name,
      steadyRules,
      get host() {
        return self.#host;
      },
      whenReady: () => this.whenReady(),
    };
    this.#inactive = { name, steadyRules, host: undefined, whenReady: () => undefined };
    if (ports instanceof TapPorts) ports.lendTo(this);
    source.inProcess?.deliver((port, packet) => ports.transmit(port, packet));
  }

  get host(): Host | undefined {
    return this.#host;
  }

  /** Waits for a host that runs the pipeline; UNAVAILABLE if it does not come. Undefined without a pipeline. */
  whenReady(): Promise<Host> | undefined {
    return this.#ready;
  }

  load(spec: string, file: string): Pipeline {
    try {
      const parsed = parseSpec(spec, { file });
      return new HostPipeline(spec, parsed, (pipeline) =>
        pipeline === this.#active ? this.#runner : this.#inactive,
      );
    } catch (error) {
      if (!SwxError.is(error)) throw error;
      throw new SoftswitchError('INVALID_ARGUMENT', error.message, {
        cause: error,
        details: { ...error.details },
      });
    }
  }

  activate(pipeline: Pipeline | undefined): void {
    const next = this.#own(pipeline);
    const left = this.#host === undefined ? this.#source.left : undefined;
    if (next === this.#active && !this.#failed && left === undefined) return;
    this.#failed = false;
    this.#active = next;
    const before = this.#host ?? left;
    this.#host = undefined;
    const run = ++this.#run;
    this.#restarting.reset();
    const stopped = before?.stop() ?? Promise.resolve();
    this.#ready = next === undefined ? undefined : stopped.then(() => this.#start(next, run));
    this.#ready?.catch(() => {
      if (run === this.#run) this.#failed = true;
    });
  }

  async noteLeft(key: string): Promise<Uint8Array | undefined> {
    const { left } = this.#source;
    if (left === undefined) return undefined;
    const note = (await left.request(Operation.READ_NOTE, new ByteWriter().text(key).view())).blob();
    return note.length === 0 ? undefined : new Uint8Array(note);
  }

  async resume(pipeline: Pipeline): Promise<void> {
    const next = this.#own(pipeline);
    const { left } = this.#source;
    if (next === undefined || left === undefined) fail('INTERNAL', 'there is nothing to continue with');
    await next.adopt(left);
    const attached = new Set(readPorts(await left.request(Operation.LIST_PORTS)).map(({ number }) => number));
    for (const port of this.#portsToAttach(left)) if (!attached.has(port.number)) attachTo(left, port);
    this.#active = next;
    this.#ready = Promise.resolve(left);
    const { pid } = left.greeting;
    this.#logger?.info(
      { pid, software: softwareOf(left.greeting) },
      `${this.#source.name} is still running: continuing with it`,
    );
    this.#adopt(next, left, ++this.#run, performance.now());
  }

  readonly receive = (port: number, buffer: Uint8Array, length: number): void => {
    const { inProcess } = this.#source;
    if (inProcess !== undefined) {
      inProcess.receive(port, buffer, length);
      return;
    }
    const host = this.#host;
    if (host === undefined || this.#inFlight >= INJECT_LIMIT) return;
    this.#inFlight++;
    const body = injectBody([{ port, packet: buffer.subarray(0, length) }]);
    host
      .request(Operation.INJECT, body)
      .then((reader) => {
        for (const emitted of readPackets(reader)) this.#ports.transmit(emitted.port, emitted.packet);
      })
      .catch((error: unknown) => this.#logger?.debug({ port, error }, 'a packet was not taken'))
      .finally(() => {
        this.#inFlight--;
      });
  };

  trace(port: number, packet: Uint8Array): Trace {
    const host = this.#host ?? fail('FAILED_PRECONDITION', 'the device has no pipeline');
    const body = new ByteWriter().u16(port).bytes(packet).view();
    return readTrace(host.requestNow(Operation.TRACE, body));
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
    await this.#end((host) => host.stop());
  }

  async leave(): Promise<void> {
    await this.#end(async (host) => host.leave());
  }

  async #end(end: (host: Host) => Promise<void>): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#active = undefined;
    this.#run++;
    await this.#ready?.catch(() => undefined);
    const host = this.#host ?? this.#source.left;
    this.#host = undefined;
    if (host !== undefined) await end(host);
    await this.#source.close();
  }

  #own(pipeline: Pipeline | undefined): HostPipeline | undefined {
    if (pipeline === undefined || pipeline instanceof HostPipeline) return pipeline;
    return fail('INTERNAL', 'the pipeline belongs to another data plane');
  }

  async #start(pipeline: HostPipeline, run: number): Promise<Host> {
    const started = performance.now();
    const host = await this.#source.start(pipeline.text);
    try {
      await pipeline.program(host);
      if (this.#obsolete(run)) fail('ABORTED', 'the pipeline was replaced');
      for (const port of this.#portsToAttach(host)) attachTo(host, port);
      // Packets wait in the devices until everything is in its place.
      host.requestNow(Operation.START);
    } catch (error) {
      await host.stop();
      if (SoftswitchError.from(error).code !== 'UNAVAILABLE') throw error;
      const reason = `${this.#source.name} ended while it was being prepared: ${await host.ended}`;
      throw new SoftswitchError('UNAVAILABLE', reason, { cause: error });
    }
    const { pid, interpretedBecause } = host.greeting;
    const milliseconds = Math.round(performance.now() - started);
    this.#logger?.info(
      { pid, software: softwareOf(host.greeting), milliseconds },
      `${this.#source.name} is ready`,
    );
    if (interpretedBecause !== '') {
      this.#logger?.warn(
        { reason: interpretedBecause },
        `${this.#source.name} interprets the program, at half the speed of compiled code or less`,
      );
    }
    this.#adopt(pipeline, host, run, started);
    return host;
  }

  /** Makes it the host that runs the pipeline, until it ends: then there is another one. */
  #adopt(pipeline: HostPipeline, host: Host, run: number, started: number): void {
    this.#host = host;
    host.onPortLost((port) => {
      if (this.#ports instanceof TapPorts) this.#ports.lost(port);
    });
    this.#options.onReady?.(host);
    this.#guard.run(async () => {
      const reason = await host.ended;
      if (this.#obsolete(run)) return;
      if (performance.now() - started > SETTLED_MS) this.#restarting.reset();
      this.#logger?.error({ reason }, `${this.#source.name} has ended: starting it again`);
      this.#restart(pipeline, run);
    });
  }

  #restart(pipeline: HostPipeline, run: number): void {
    this.#host = undefined;
    this.restarts++;
    const pauseMs = this.#restarting.next();
    const ready = this.#start(pipeline, run);
    this.#ready = ready;
    ready.catch((error: unknown) => {
      if (this.#obsolete(run)) return;
      this.#logger?.error({ reason: messageOf(error) }, `${this.#source.name} does not start: trying again`);
      const again = () => {
        if (!this.#obsolete(run)) this.#restart(pipeline, run);
      };
      setTimeout(this.#guard.handler(again), pauseMs).unref();
    });
  }

  #obsolete(run: number): boolean {
    return this.#stopped || run !== this.#run;
  }

  #portsToAttach(host: Host): AttachedPort[] {
    if (this.#ports instanceof TapPorts) return this.#ports.lent();
    // Their packets do not go through the protocol.
    if (this.#source.inProcess !== undefined) return [];
    const all = this.#ports.list();
    const tooHigh = all.find(({ number }) => number >= host.greeting.slots);
    if (tooHigh !== undefined) {
      fail(
        'RESOURCE_EXHAUSTED',
        `port ${tooHigh.name}: ${this.#source.name} has ${host.greeting.slots} ports`,
      );
    }
    return all.map(({ number, name, mtu }) => ({ number, name, mtu, descriptor: undefined }));
  }
}

function attachTo(host: Host, { number, name, mtu, descriptor }: AttachedPort): void {
  const kind = descriptor === undefined ? PortKind.MEMORY : PortKind.DESCRIPTOR;
  const body = new ByteWriter().u16(number).u8(kind).text(name).u32(mtu).view();
  host.requestNow(Operation.ADD_PORT, body, descriptor);
}
