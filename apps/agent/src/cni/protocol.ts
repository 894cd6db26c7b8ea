import type { AttachmentKey, ResultRoute } from '@infra-offload/cni-types';
import type { LogLevelChange } from '@infra-offload/service';
import type { Bandwidth } from '../interfaces/bandwidth.js';
import type { LogModule } from '../log.js';

/*
 * What infra-cni says to infra-agent: HTTP/1.1 over a unix socket, `POST /v1/<operation>`, JSON both ways. Success is 200;
 * anything else has a CNI error as its body.
 */

/** Longest network configuration that infra-cni reads, in bytes: far more than one with thousands of valid attachments. */
export const MAX_CONFIG_BYTES = 1024 * 1024;

/** Longest request that the agent reads, in bytes: what comes of any configuration. */
export const MAX_REQUEST_BYTES = 1024 * 1024;

/** Longest answer that infra-cni reads, of the agent and of an IPAM plugin, in bytes. */
export const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** Asks whether an attachment could be made now; changes nothing. */
export interface PrepareRequest extends AttachmentKey {
  readonly netns: string;
}

/** Attaches a pod. Answered when packets can flow; if it fails, nothing of it is left. */
export interface AttachRequest extends AttachmentKey {
  readonly netns: string;
  /** Name of the CNI network. */
  readonly network: string;
  /** Both empty if the runtime does not say. */
  readonly pod: { readonly namespace: string; readonly name: string };
  /** IPv4, without prefix length. */
  readonly address: string;
  /** The agent's own setting if absent. */
  readonly mtu?: number | undefined;
  readonly routes: readonly ResultRoute[];
  readonly bandwidth?: Bandwidth | undefined;
}

export interface AttachResponse {
  readonly mac: string;
  readonly mtu: number;
}

/** Detaches a pod; succeeds if it is not attached. */
export type DetachRequest = AttachmentKey;

/** Compares what is there with what ADD has answered. */
export interface CheckRequest extends AttachmentKey {
  readonly netns: string;
  /** From prevResult: absent means not compared. */
  readonly mac?: string | undefined;
  readonly addresses: readonly string[];
}

/** Names everything of a network that is attached and not valid any more; changes nothing. */
export interface GarbageRequest {
  readonly network: string;
  readonly valid: readonly AttachmentKey[];
}

export interface GarbageResponse {
  readonly garbage: readonly AttachmentKey[];
}

/** Succeeds if the agent can serve ADD. */
export type StatusRequest = Readonly<Record<string, never>>;

/** The operations, with request and response. */
export interface Operations {
  readonly prepare: { readonly request: PrepareRequest; readonly response: object };
  readonly attach: { readonly request: AttachRequest; readonly response: AttachResponse };
  readonly detach: { readonly request: DetachRequest; readonly response: object };
  readonly check: { readonly request: CheckRequest; readonly response: object };
  readonly garbage: { readonly request: GarbageRequest; readonly response: GarbageResponse };
  readonly status: { readonly request: StatusRequest; readonly response: object };
  /** Changes levels of the log until the next start; answers those of all modules. */
  readonly loglevel: {
    readonly request: LogLevelChange<LogModule>;
    readonly response: Readonly<Record<string, string>>;
  };
}

export type OperationName = keyof Operations;
