import { messageOf } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import type { ClusterNetworking } from '@infra-offload/k8s-watch/api';
import { parseIPv4Prefix } from '@infra-offload/net';
import type { Logger } from 'pino';
import type { AgentConfig } from '../config/schema.js';
import type { WatchedObjects } from './watched-objects.js';

/** Until what could not be found, or not be asked for, is looked for again. */
const RETRY_MS = 60_000;

export interface ClusterRangesOptions {
  readonly config: Pick<AgentConfig, 'serviceCidrs' | 'podCidrs'>;
  /** Undefined if the configuration names no source. */
  readonly objects: WatchedObjects | undefined;
  /** Whether the ranges of this node's pods are known without us. */
  readonly hasPodCidrs: () => boolean;
  readonly logger: Logger;
  /** Called when ranges have changed, or have become known. */
  readonly onChange: () => void;
}

/**
 * The IPv4 ranges of the cluster's services. Configured ones go first; else those of ServiceCIDR objects; where there are none,
 * what kubeadm or the control plane's command lines say.
 */
export class ClusterRanges {
  readonly #options: ClusterRangesOptions;
  readonly #guard: Guard;
  #written: ClusterNetworking | undefined;
  #isSettled: boolean;
  #isMissingTold = false;
  #unsubscribe: () => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: ClusterRangesOptions) {
    this.#options = options;
    this.#guard = new Guard((error) => options.logger.error({ err: error }, 'internal error'));
    const { config, objects } = options;
    this.#isSettled = objects === undefined || (config.serviceCidrs.length > 0 && config.podCidrs.length > 0);
  }

  /** To be called when the source has everything. */
  start(): void {
    const { objects } = this.#options;
    if (this.#isSettled || objects === undefined) return;
    this.#unsubscribe = objects.source.serviceCIDRs.subscribe(() => this.#changed());
    if (this.#isComplete) this.#changed();
    else this.#guard.run(() => this.#look());
  }

  stop(): void {
    this.#isStopped = true;
    this.#unsubscribe();
    clearTimeout(this.#timer);
  }

  /** Whether there is an answer; it may be that there are no ranges. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  get serviceCidrs(): readonly string[] {
    const { serviceCidrs } = this.#options.config;
    if (serviceCidrs.length > 0) return serviceCidrs;
    const watched = this.#watched;
    return watched.length > 0 ? watched : ipv4(this.#written?.serviceCidrs ?? []);
  }

  /** Of all the cluster's pods, as far as somebody has written it down; not looked for if nobody needs them. */
  get podCidrs(): readonly string[] {
    return ipv4(this.#written?.podCidrs ?? []);
  }

  /** What an operator should know; undefined if all is well. */
  get problem(): string | undefined {
    const { objects } = this.#options;
    if (objects === undefined || !this.#isSettled || this.serviceCidrs.length > 0) return undefined;
    return 'the range of service addresses is not known: set serviceCidrs; until then the node itself reaches no services, and packets to addresses of services that do not exist go to the node';
  }

  get #isComplete(): boolean {
    const hasPods = this.#options.hasPodCidrs() || this.podCidrs.length > 0;
    return this.serviceCidrs.length > 0 && hasPods;
  }

  get #watched(): readonly string[] {
    const objects = [...(this.#options.objects?.source.serviceCIDRs.values() ?? [])];
    return ipv4([...new Set(objects.flatMap(({ cidrs }) => cidrs))].sort());
  }

  async #look(): Promise<void> {
    const { objects, logger } = this.#options;
    try {
      this.#written = await objects?.clusterNetworking();
      if (this.#written !== undefined && !this.#isStopped) {
        const { origin, serviceCidrs, podCidrs } = this.#written;
        logger.info({ origin, serviceCidrs, podCidrs }, 'the ranges of the cluster are known');
      }
    } catch (error) {
      if (!this.#isStopped)
        logger.warn({ reason: messageOf(error) }, 'the ranges of the cluster cannot be looked up');
    }
    if (this.#isStopped) return;
    if (!this.#isComplete) {
      this.#timer = setTimeout(
        this.#guard.handler(() => this.#look()),
        RETRY_MS,
      );
    }
    this.#changed();
  }

  #changed(): void {
    if (this.#isStopped) return;
    this.#isSettled = true;
    this.#tellIfMissing();
    this.#options.onChange();
  }

  #tellIfMissing(): void {
    const { problem } = this;
    if (problem !== undefined && !this.#isMissingTold) this.#options.logger.warn(problem);
    this.#isMissingTold = problem !== undefined;
  }
}

function ipv4(cidrs: readonly string[]): string[] {
  return cidrs.filter((cidr) => parseIPv4Prefix(cidr) !== undefined);
}
