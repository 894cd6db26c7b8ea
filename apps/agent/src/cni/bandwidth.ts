import { CniError, CniErrorCode, excerpt } from '@infra-offload/cni-types';
import type { Bandwidth, BandwidthLimit } from '../interfaces/bandwidth.js';

/** What containerd and CRI-O say for the burst, in bits: that nobody has asked for one. */
const NO_BURST = 0xffffffff;

/**
 * The capability `bandwidth` of CNI's conventions, as a runtime gives it: `ingressRate` and `egressRate` in bit/s, `ingressBurst` and
 * `egressBurst` in bits; a rate of 0 is none.
 *
 * @returns undefined if nothing is limited.
 * @throws CniError 7
 */
export function readBandwidth(value: unknown): Bandwidth | undefined {
  if (value === undefined || value === null) return undefined;
  // containerd writes IngressRate: plugins in Go do not mind the case.
  const fields = new Map<string, unknown>(
    Object.entries(value).map(([key, field]) => [key.toLowerCase(), field]),
  );
  const number = (key: string): number => {
    const field = typeof value === 'object' ? (fields.get(key.toLowerCase()) ?? 0) : undefined;
    if (typeof field === 'number' && Number.isSafeInteger(field) && field >= 0) return field;
    throw new CniError(
      CniErrorCode.invalidConfig,
      `the network configuration: runtimeConfig.bandwidth.${key} is not a number of bits: ${excerpt(JSON.stringify(value))}`,
    );
  };
  const limit = (direction: 'ingress' | 'egress'): BandwidthLimit | undefined => {
    const [rate, burst] = [number(`${direction}Rate`), number(`${direction}Burst`)];
    if (rate === 0) return undefined;
    return burst === 0 || burst >= NO_BURST ? { rate } : { rate, burst };
  };
  const [ingress, egress] = [limit('ingress'), limit('egress')];
  if (ingress === undefined && egress === undefined) return undefined;
  return { ...(ingress && { ingress }), ...(egress && { egress }) };
}
