import type { CounterData, MeterConfig, MeterCounterData, MeterEntry } from '@infra-offload/p4rt/proto';
import { METER_LIMIT, type MeterProfile } from '@infra-offload/swx';
import type { MeterStats, Pipeline } from '../dataplane/dataplane.js';
import { fail } from '../errors.js';
import type { BoundMeter } from '../pipeline/bound.js';
import { cellRange } from './counters.js';
import type { Journal } from './journal.js';

/**
 * MODIFY of a MeterEntry (P4Runtime, "MeterEntry"): the meters that the index names get the configuration, or the default,
 * which is green for all packets. One that has it already goes on with its buckets as they are.
 */
export function writeMeter(
  pipeline: Pipeline,
  meter: BoundMeter,
  { index, config, counterData }: MeterEntry,
  journal: Journal | undefined,
): void {
  const what = `meter ${meter.p4.alias}`;
  const target = targetOf(meter);
  const { first, end } = cellRange(what, index, meter.size);
  const profile = config && profileOf(meter, config);
  const clear = counterData !== undefined;
  if (clear && !isZero(counterData)) fail('INVALID_ARGUMENT', `${what}: counts can only be set to 0`);
  for (let i = first; i < end; i++) {
    if (!sameProfile(pipeline.written.profileOf(target, i), profile)) {
      const undo = pipeline.meterSet(target, i, profile);
      journal?.push(undo);
    }
    if (clear) {
      const undo = pipeline.meterClear(target, i);
      journal?.push(undo);
    }
  }
}

/** The entry of a meter, with its counts if they are wanted. */
export function readMeter(
  pipeline: Pipeline,
  meter: BoundMeter,
  index: number,
  withCounts: boolean,
): MeterEntry {
  const target = targetOf(meter);
  const profile = pipeline.written.profileOf(target, index);
  return {
    meterId: meter.p4.id,
    index: { index: BigInt(index) },
    config: profile && {
      cir: profile.cir,
      cburst: profile.cbs,
      pir: profile.pir,
      pburst: profile.pbs,
      eburst: 0n,
    },
    counterData: withCounts ? countsOf(meter, pipeline.meterStats(target, index)) : undefined,
  };
}

/** UNIMPLEMENTED, with the reason, if the program does not do what P4Info says. */
export function targetOf({ target, p4, unsupported }: BoundMeter): string {
  return target ?? fail('UNIMPLEMENTED', `meter ${p4.alias}: ${unsupported}`);
}

/** Checks a configuration against the meter's type ("MeterEntry & DirectMeterEntry") and what the data plane can do. */
function profileOf({ p4 }: BoundMeter, { cir, cburst, pir, pburst, eburst }: MeterConfig): MeterProfile {
  const what = `meter ${p4.alias}`;
  const rates = { cir, cburst, pir, pburst };
  for (const [name, value] of Object.entries(rates)) {
    if (value <= 0n) fail('INVALID_ARGUMENT', `${what}: ${name} is ${value}, it must be above 0`);
    if (value > METER_LIMIT)
      fail('OUT_OF_RANGE', `${what}: ${name} is ${value}, this target goes to ${METER_LIMIT}`);
  }
  if (eburst < 0n) fail('INVALID_ARGUMENT', `${what}: eburst is ${eburst}, it must not be negative`);
  if (p4.type !== 'single-rate-three-color' && eburst !== 0n)
    fail('INVALID_ARGUMENT', `${what}: only meters of a single rate and three colors have an eburst`);
  if (p4.type !== 'two-rate-three-color' && (pir !== cir || pburst !== cburst))
    fail('INVALID_ARGUMENT', `${what}: it has a single rate: pir and pburst must be equal to cir and cburst`);
  if (eburst !== 0n) fail('UNIMPLEMENTED', `${what}: SWX has no meters with an excess burst`);
  if (pir < cir) fail('INVALID_ARGUMENT', `${what}: pir is ${pir}, it must be at least cir, ${cir}`);
  return { cir, cbs: cburst, pir, pbs: pburst };
}

function sameProfile(a: MeterProfile | undefined, b: MeterProfile | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.cir === b.cir && a.cbs === b.cbs && a.pir === b.pir && a.pbs === b.pbs;
}

function isZero({ green, yellow, red }: MeterCounterData): boolean {
  return [green, yellow, red].every(
    (data) => data === undefined || (data.packetCount === 0n && data.byteCount === 0n),
  );
}

/** What the program gives as lengths is bytes only where P4Info says so. */
function countsOf({ p4 }: BoundMeter, { green, yellow, red }: MeterStats): MeterCounterData {
  const data = ({ packets, bytes }: MeterStats['green']): CounterData => ({
    packetCount: BigInt.asUintN(63, packets),
    byteCount: p4.unit === 'bytes' ? BigInt.asUintN(63, bytes) : 0n,
  });
  return { green: data(green), yellow: data(yellow), red: data(red) };
}
