import { ipv4 } from '@infra-offload/net';
import { DENIAL_PLACES, k8sDp } from '@infra-offload/p4src';
import type { DenialRing } from '../driver.js';

const { denials, denied_ends: ends, denied_what: what } = k8sDp.registers;

const WORD = 32n;

/** "Denied packets" in p4src/dpdk/README.md. */
export const dpdkDenials: DenialRing = {
  places: DENIAL_PLACES,
  count: denials.cell(0),
  countOf: (entity) => denials.decode(entity).value,
  cells: (place) => [ends.cell(place), what.cell(place)],
  decode([first, second]) {
    if (first === undefined || second === undefined) return undefined;
    const { value: addresses } = ends.decode(first);
    const { value: rest } = what.decode(second);
    return {
      pod: ipv4(Number(addresses >> WORD)),
      peer: ipv4(Number(addresses & 0xffff_ffffn)),
      port: Number((rest >> 24n) & 0xffffn),
      protocol: Number((rest >> 16n) & 0xffn),
      profile: Number(rest & 0xffffn),
    };
  },
};
