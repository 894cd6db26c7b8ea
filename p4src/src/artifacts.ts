import { P4Program } from '@infra-offload/p4info';
import { encodeDeviceConfig } from '@infra-offload/p4rt';
import { CONNTRACK_TIMEOUTS, type ConntrackTimeouts } from './constants.js';
import { dpdk, es2k } from './gen/artifacts.js';

/** What p4c-dpdk made of a P4 program, as text. */
export interface Artifacts {
  /** P4Info in protobuf text format. */
  readonly p4info: string;
  /** The pipeline that DPDK's SWX loads (`k8s_dp.spec`). */
  readonly spec: string;
  /** How P4Info's names map to those of the spec (`context.json`). */
  readonly context: string;
  /** The tables for a TDI style server (`bf-rt.json`). */
  readonly bfrt: string;
}

/** The artifacts of `dpdk/`. */
export const k8sDpArtifacts: Artifacts = dpdk;

/** The artifacts of `es2k/`: the portable program with the tables of Intel's ES2K package. */
export const es2kDpArtifacts: Artifacts = es2k;

/** The P4Info of `dpdk/`. Read at the first call; it is immutable and shared. */
export const k8sDpP4Info: () => P4Program = once(() => P4Program.parse(dpdk.p4info));

/** The P4Info of `es2k/`. Read at the first call; it is immutable and shared. */
export const es2kDpP4Info: () => P4Program = once(() => P4Program.parse(es2k.p4info));

/**
 * The device config that SetForwardingPipelineConfig carries to infrap4d or to the softswitch: program `k8s_dp` with the one
 * profile `pipe`. The same bytes at every call, in memory of the caller's own.
 *
 * @param timeouts of `conntrack`, in seconds, by index, in place of {@link CONNTRACK_TIMEOUTS}. Those of established flows
 *   must be above {@link ESTABLISHED_TIMEOUTS}.
 */
export function k8sDpDeviceConfig(timeouts: ConntrackTimeouts = CONNTRACK_TIMEOUTS): Uint8Array {
  return deviceConfig({ ...dpdk, spec: withTimeouts(dpdk.spec, timeouts) });
}

/** The specification with other timeouts of its learner `conntrack`. */
function withTimeouts(spec: string, timeouts: ConntrackTimeouts): string {
  return spec.replace(
    /^(learner conntrack \{$.*?^\ttimeout \{\n)[^}]*(\t\})/ms,
    (_, before: string, after: string) =>
      `${before}${timeouts.map((seconds) => `\t\t${seconds}\n`).join('')}\t${after}`,
  );
}

/** The device config of `es2k/`, as {@link k8sDpDeviceConfig}: for DPDK and the softswitch, not for the chip. */
export function es2kDpDeviceConfig(): Uint8Array {
  return deviceConfig(es2k);
}

function deviceConfig({ bfrt, context, spec }: Artifacts): Uint8Array {
  const text = new TextEncoder();
  return encodeDeviceConfig({
    name: 'k8s_dp',
    bfrtInfo: text.encode(bfrt),
    profiles: [{ name: 'pipe', context: text.encode(context), binary: text.encode(spec) }],
  });
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
