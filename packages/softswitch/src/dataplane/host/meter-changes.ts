import type { MeterProfile } from '@infra-offload/swx';
import type { MeterStats } from '../dataplane.js';
import { Change } from './protocol.js';
import { ByteReader, ByteWriter } from './wire.js';

/** Note of a meter that has a profile: who takes the host over is told, and a new host is given it. */
export const METER_NOTE = 'meter/';

/** What is to be done with meters by the next commit. Each call gives what takes it back before. */
export class MeterChanges {
  readonly #profiles = new Map<string, { array: string; index: number; profile: MeterProfile | undefined }>();
  readonly #cleared = new Map<string, { array: string; index: number }>();

  set(array: string, index: number, profile: MeterProfile | undefined): () => void {
    return put(this.#profiles, `${array}/${index}`, { array, index, profile });
  }

  clear(array: string, index: number): () => void {
    return put(this.#cleared, `${array}/${index}`, { array, index });
  }

  /** Writes the changes; `next` tells where each goes. */
  write(next: () => ByteWriter, idOf: (array: string) => number): void {
    for (const { array, index, profile } of this.#profiles.values())
      writeMeter(next, idOf(array), array, index, profile);
    for (const { array, index } of this.#cleared.values())
      next().u8(Change.METER_COUNTS).u16(idOf(array)).u32(index);
  }
}

/** A meter's profile, and the note of it. */
export function writeMeter(
  next: () => ByteWriter,
  id: number,
  array: string,
  index: number,
  profile: MeterProfile | undefined,
): void {
  writeProfile(next().u8(Change.METER).u16(id).u32(index), profile);
  const note = profile === undefined ? new Uint8Array(0) : writeProfile(new ByteWriter(32), profile).view();
  next().u8(Change.NOTE).text(`${METER_NOTE}${array}/${index}`).blob(note);
}

export function readMeterNote(
  rest: string,
  value: Uint8Array,
): { readonly array: string; readonly index: number; readonly profile: MeterProfile | undefined } {
  const at = rest.lastIndexOf('/');
  const profile = readProfile(new ByteReader(Buffer.from(value)));
  return { array: rest.slice(0, at), index: Number(rest.slice(at + 1)), profile };
}

/** No profile is all zeros. */
export function readProfile(reader: ByteReader): MeterProfile | undefined {
  const profile = { cir: reader.u64(), cbs: reader.u64(), pir: reader.u64(), pbs: reader.u64() };
  return Object.values(profile).every((value) => value === 0n) ? undefined : profile;
}

export function readMeterStats(reader: ByteReader): MeterStats {
  const counts = () => ({ packets: reader.u64(), bytes: reader.u64() });
  return { green: counts(), yellow: counts(), red: counts() };
}

function writeProfile(writer: ByteWriter, profile: MeterProfile | undefined): ByteWriter {
  const { cir, cbs, pir, pbs } = profile ?? { cir: 0n, cbs: 0n, pir: 0n, pbs: 0n };
  return writer.u64(cir).u64(cbs).u64(pir).u64(pbs);
}

function put<T>(map: Map<string, T>, key: string, value: T): () => void {
  const before = map.get(key);
  map.set(key, value);
  return () => {
    if (before === undefined) map.delete(key);
    else map.set(key, before);
  };
}
