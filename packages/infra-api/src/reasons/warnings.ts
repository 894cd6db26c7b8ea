import type { Explanation } from './reason.js';

/** What connections suffer from although infra-manager is ready. */
export const WARNING_REASONS = {
  FlowTableFull: {
    meaning:
      'new connections fail: the flow table has no room for them, or too many flows share a place in it (drop counter 10)',
    remedy:
      'find the pod with most flows (`infractl flows --count --pod`), and shorten the timeouts of flows',
  },
  SourcePortsExhausted: {
    meaning: 'new connections fail: none of the source ports that are tried is free (drop counter 7)',
    remedy: 'shorten the timeouts of flows, or have clients keep their connections',
  },
  PodShareExceeded: {
    meaning: 'a pod begins more flows than its share, and some of them are refused (drop counter 15)',
    remedy: 'see what the pod does; raise `dataPlane.podShare` if it should',
  },
  PodFlowsExceeded: {
    meaning:
      'a pod, which the message names, has begun more flows that are still there than its share; those that are missed least are ended',
    remedy:
      'see what the pod does (`infractl flows --pod`); raise `dataPlane.podShare.flows` if it should, or have it close connections',
  },
} as const satisfies Readonly<Record<string, Explanation>>;

export type WarningReason = keyof typeof WARNING_REASONS;
