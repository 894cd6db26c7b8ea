import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '@infra-offload/base';
import { ManifestsSource, type ObjectSource } from '@infra-offload/k8s-watch';
import {
  ApiSource,
  type ClusterNetworking,
  loadBalancingResources,
  type ResourceSelection,
} from '@infra-offload/k8s-watch/api';
import { ServiceError } from '@infra-offload/service';
import type { Logger } from 'pino';
import { type AgentConfig, policySourceOf } from '../config/schema.js';
import { since } from '../errors.js';
import { version } from '../version.js';
import { clusterIpHint } from './cluster-ip-hint.js';

/** What of the configuration says where objects come from. */
export type SourceSettings = Pick<
  AgentConfig,
  'manifestsDirectory' | 'kubernetes' | 'nodeName' | 'serviceCidrs' | 'networkPolicy'
>;

/** A start waits so long for the first lists; after that, they come when they come. */
const FIRST_LIST_MS = 3_000;

/** A problem of either source. */
interface Problem {
  readonly code: string;
  readonly message: string;
  /** Of requests that fail: since when. */
  readonly since?: Date;
}

/** The objects of the cluster as far as the agent needs them, from the API server or from a directory. */
export class WatchedObjects {
  readonly source: ObjectSource;
  readonly #origin: 'api' | 'manifests';
  readonly #problems: () => readonly Problem[];
  readonly #networking: () => Promise<ClusterNetworking | undefined>;
  readonly #logger: Logger;
  /** What helps if the API server cannot be reached. */
  readonly #hint: string | undefined;
  #startFailure: string | undefined;

  private constructor(
    source: ObjectSource & { readonly problems: readonly Problem[] },
    origin: 'api' | 'manifests',
    logger: Logger,
    networking: () => Promise<ClusterNetworking | undefined> = async () => undefined,
    hint?: string,
  ) {
    this.source = source;
    this.#origin = origin;
    this.#problems = () => source.problems;
    this.#logger = logger;
    this.#networking = networking;
    this.#hint = hint;
  }

  /** @returns undefined if the configuration names no source. */
  static open(settings: SourceSettings, logger: Logger): WatchedObjects | undefined {
    const { manifestsDirectory: directory, kubernetes, nodeName } = settings;
    const isInCluster = kubernetes !== undefined && kubernetes.kubeconfig === undefined;
    const hint = isInCluster ? clusterIpHint(process.env) : undefined;
    let hasHinted = false;
    const onReport = (report: { readonly type: 'problem' | 'resolved'; readonly problem: Problem }) => {
      const { message, since: _, ...fields } = report.problem;
      if (report.type === 'problem') logger.warn(fields, message);
      else logger.info(fields, `resolved: ${message}`);
      if (report.problem.code === 'UNREACHABLE' && hint !== undefined && !hasHinted) {
        hasHinted = true;
        logger.warn(hint);
      }
    };
    if (kubernetes !== undefined) {
      const { kubeconfig: path, context } = kubernetes;
      const source = new ApiSource({
        access:
          path === undefined
            ? { type: 'in-cluster' }
            : { type: 'kubeconfig', path, ...(context === undefined ? {} : { context }) },
        resources: resourcesOf(settings),
        userAgent: `infra-agent/${version} (${nodeName})`,
        onReport,
      });
      return new WatchedObjects(source, 'api', logger, () => source.clusterNetworking(), hint);
    }
    if (directory === undefined) return undefined;
    return new WatchedObjects(new ManifestsSource({ directory, onReport }), 'manifests', logger);
  }

  /**
   * Starts watching, and waits a little for the first lists: an API server that is away must not keep the agent from starting.
   *
   * @param onSynced called once, when the stores hold everything; it may be after this has returned.
   * @throws ServiceError CONFIG if the source cannot be used as configured.
   */
  async start(onSynced: () => void): Promise<void> {
    let isWaiting = true;
    const failed = (cause: unknown) => {
      const reason = messageOf(cause);
      if (isWaiting) throw new ServiceError('CONFIG', `kubernetes: ${reason}`, { cause });
      this.#startFailure = reason;
      this.#logger.error({ reason }, 'the Kubernetes API cannot be used');
    };
    const started = this.source.start().then(() => {
      // Stopping ends the wait, too.
      if (this.source.hasSynced) onSynced();
    }, failed);
    const limit = new AbortController();
    await Promise.race([started, sleep(FIRST_LIST_MS, undefined, { signal: limit.signal }).catch(() => {})]);
    limit.abort();
    isWaiting = false;
  }

  /** Everything that is wrong with the source now. */
  get problemCount(): number {
    return this.#problems().length;
  }

  get origin(): 'api' | 'manifests' {
    return this.#origin;
  }

  /** What is written down of the cluster's ranges beside the objects that are watched; manifests have nothing. */
  clusterNetworking(): Promise<ClusterNetworking | undefined> {
    return this.#networking();
  }

  /** Why nothing is known of services yet; undefined if all is. */
  whyNotSynced(): string | undefined {
    if (this.source.hasSynced) return undefined;
    const problems = this.#problems();
    const isAway = problems.some(({ code }) => code === 'UNREACHABLE');
    const messages = problems.map(({ message }) => message);
    if (isAway && this.#hint !== undefined) messages.push(this.#hint);
    const reason = this.#startFailure ?? messages.join('; ');
    return `services are not known yet: ${reason || 'the first lists are under way'}`;
  }

  /** Since when the API server does not serve the agent, and why; undefined if it does. What is known stays in force. */
  get outage(): { readonly since: Date; readonly reason: string } | undefined {
    const failing = this.#problems().flatMap(({ since, message: reason }) =>
      since ? [{ since, reason }] : [],
    );
    return failing.sort((a, b) => a.since.getTime() - b.since.getTime())[0];
  }

  /** What keeps new pods from what they need to know; undefined if nothing does. */
  whyNotServed(): string | undefined {
    const { outage } = this;
    const away = outage && `the Kubernetes API has not been serving the agent ${since(outage.since)}`;
    const unknown = this.whyNotSynced();
    if (away === undefined) return unknown;
    return `${away}: ${unknown ?? outage?.reason}`;
  }

  async stop(): Promise<void> {
    await this.source.stop();
  }
}

/** Pods of other nodes are peers, too. */
const NETWORK_POLICY_RESOURCES: ResourceSelection = { NetworkPolicy: {}, Pod: {}, Namespace: {} };

/** All nodes, since their pods and addresses are no outside world, and routes lead there. */
function resourcesOf(settings: SourceSettings): ResourceSelection {
  const { nodeName, serviceCidrs } = settings;
  return {
    ...loadBalancingResources(nodeName),
    ...(policySourceOf(settings) === 'kubernetes' ? NETWORK_POLICY_RESOURCES : {}),
    Node: {},
    ...(serviceCidrs.length > 0 ? {} : { ServiceCIDR: {} }),
  };
}
