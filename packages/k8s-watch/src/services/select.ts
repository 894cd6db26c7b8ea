import type { SliceEndpoint } from '../objects/types.js';
import type { NodeIdentity } from './types.js';

/** An endpoint with the port that a service port stands for. */
export interface Candidate {
  readonly endpoint: SliceEndpoint;
  readonly port: number;
  readonly local: boolean;
}

export interface Selection {
  /** Endpoints of the whole cluster, as far as the topology hints keep to it. */
  readonly cluster: readonly Candidate[];
  /** Endpoints of this node. */
  readonly local: readonly Candidate[];
  /** Whether any endpoint anywhere could take connections. */
  readonly any: boolean;
}

/**
 * Which endpoints take new connections, by kube-proxy's rules: ready ones; if there is none (in the cluster or on
 * the node), those that terminate but still serve.
 */
export function selectEndpoints(candidates: readonly Candidate[], node: NodeIdentity): Selection {
  const ready = candidates.filter(({ endpoint }) => endpoint.ready);
  const lastResort = candidates.filter(({ endpoint }) => endpoint.serving && endpoint.terminating);
  const readyHere = ready.filter(isLocal);
  return {
    cluster: ready.length > 0 ? filterByHints(ready, node) : lastResort,
    local: readyHere.length > 0 ? readyHere : lastResort.filter(isLocal),
    any: ready.length > 0 || lastResort.length > 0,
  };
}

function isLocal(candidate: Candidate): boolean {
  return candidate.local;
}

/** Hints count only if every ready endpoint has some, and some name this node or, failing that, its zone. */
function filterByHints(ready: readonly Candidate[], node: NodeIdentity): readonly Candidate[] {
  return (
    hinted(ready, ({ endpoint }) => endpoint.hintedNodes, node.name) ??
    hinted(ready, ({ endpoint }) => endpoint.hintedZones, node.zone) ??
    ready
  );
}

function hinted(
  ready: readonly Candidate[],
  hints: (candidate: Candidate) => readonly string[] | undefined,
  place: string | undefined,
): readonly Candidate[] | undefined {
  if (!place || !ready.every((candidate) => hints(candidate))) return undefined;
  const here = ready.filter((candidate) => hints(candidate)?.includes(place));
  return here.length > 0 ? here : undefined;
}
