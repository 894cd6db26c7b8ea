import { createHash } from 'node:crypto';
import type { PolicyId, WorkloadEndpointId } from '../messages.js';

/** The manager takes names of up to 512 bytes; a suffix must fit, too. */
const MAX_NAME_BYTES = 240;

/**
 * Names an object of the wire; different parts make different names. What would be too long, or not printable, is
 * shortened to its hash.
 */
export function objectName(kind: string, ...parts: readonly string[]): string {
  const escaped = parts.map((part, i) =>
    i === parts.length - 1 ? part : part.replace(/[%/]/g, encodeURIComponent),
  );
  const name = [kind, ...escaped].join('/');
  const isUsable = Buffer.byteLength(name) <= MAX_NAME_BYTES && !/\p{C}/u.test(name);
  return isUsable ? name : `${kind}/sha256:${hashOf(name, 40)}`;
}

/** The first `digits` hexadecimal digits of a hash. */
export function hashOf(text: string, digits: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, digits);
}

/** Tells policies of both dialects apart. */
export function policyName({ tier, name, namespace, kind }: PolicyId): string {
  return kind === '' ? objectName('policy', tier, name) : objectName('policy', kind, namespace, name);
}

export function profileName(name: string): string {
  return objectName('profile', name);
}

/** Staged policies only report what they would do. */
export function isStaged({ name, kind }: PolicyId): boolean {
  return kind.startsWith('Staged') || /^(?:[^/]*\/)?staged:/.test(name);
}

/** Tells workload endpoints apart. */
export function endpointKey({ orchestrator, workload, endpoint }: WorkloadEndpointId): string {
  return JSON.stringify([orchestrator, workload, endpoint]);
}

export interface PodName {
  readonly namespace: string;
  readonly name: string;
}

const KUBERNETES_NAME = /^[A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?$/;

/** The pod that an endpoint belongs to; undefined if it is no pod of Kubernetes. */
export function podOf({ orchestrator, workload }: WorkloadEndpointId): PodName | undefined {
  const [namespace = '', name = '', ...rest] = workload.split('/');
  const isPod = [namespace, name].every((part) => part.length <= 253 && KUBERNETES_NAME.test(part));
  return orchestrator === 'k8s' && rest.length === 0 && isPod ? { namespace, name } : undefined;
}

export function podKey({ namespace, name }: PodName): string {
  return `${namespace}/${name}`;
}
