import { P4Program } from '@infra-offload/p4info';
import { encodeDeviceConfig } from '@infra-offload/p4rt';
import { bfrt, context, p4info, spec } from './gen/artifacts.js';

/** What p4c-dpdk made of `k8s_dp.p4`, as text. */
export const k8sDpArtifacts: {
  /** P4Info in protobuf text format. */
  readonly p4info: string;
  /** The pipeline that DPDK's SWX loads (`k8s_dp.spec`). */
  readonly spec: string;
  /** How P4Info's names map to those of the spec (`context.json`). */
  readonly context: string;
  /** The tables for a TDI style server (`bf-rt.json`). */
  readonly bfrt: string;
} = { p4info, spec, context, bfrt };

let program: P4Program | undefined;

/** The P4Info of `k8s_dp`. Read at the first call; it is immutable and shared. */
export function k8sDpP4Info(): P4Program {
  program ??= P4Program.parse(p4info);
  return program;
}

/**
 * The device config that SetForwardingPipelineConfig carries to infrap4d or to the softswitch: program `k8s_dp` with the one
 * profile `pipe`. The same bytes at every call, in memory of the caller's own.
 */
export function k8sDpDeviceConfig(): Uint8Array {
  const text = new TextEncoder();
  return encodeDeviceConfig({
    name: 'k8s_dp',
    bfrtInfo: text.encode(bfrt),
    profiles: [{ name: 'pipe', context: text.encode(context), binary: text.encode(spec) }],
  });
}
