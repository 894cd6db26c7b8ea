import type { AttachmentKey, ResultRoute } from '@infra-offload/cni-types';

/**
 * What infra-cni says to infra-agent: HTTP/1.1 over a unix socket, `POST /v1/<operation>`, JSON both ways. Success is 200;
 * anything else has a CNI error as its body.
 */
export const defaultSocketPath = '/var/run/infra-offload/cni.sock';

/** Longest request that the agent reads, in bytes. */
export const maxRequestBytes = 1024 * 1024;

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

/** Detaches everything of a network that is not named. */
export interface GcRequest {
  readonly network: string;
  readonly valid: readonly AttachmentKey[];
}

/** What of it was detached, and what could not be, with reasons. */
export interface GcResponse {
  readonly detached: readonly AttachmentKey[];
  readonly failures: readonly string[];
}

/** Succeeds if the agent can serve ADD. */
export type StatusRequest = Readonly<Record<string, never>>;

/** The operations, with request and response. */
export interface Operations {
  readonly prepare: { readonly request: PrepareRequest; readonly response: object };
  readonly attach: { readonly request: AttachRequest; readonly response: AttachResponse };
  readonly detach: { readonly request: DetachRequest; readonly response: object };
  readonly check: { readonly request: CheckRequest; readonly response: object };
  readonly gc: { readonly request: GcRequest; readonly response: GcResponse };
  readonly status: { readonly request: StatusRequest; readonly response: object };
}

export type OperationName = keyof Operations;
