import { describe, expect, it } from 'vitest';
import { PortSpace } from './port-space.js';
import type { PortMatch } from './profile.js';

const every = (protocol?: number): PortMatch => ({ kind: 'range', protocol, ports: undefined });
const range = (protocol: number | undefined, first: number, last = first): PortMatch => ({
  kind: 'range',
  protocol,
  ports: { first, last },
});
const ALL_PORTS = { first: 0, last: 65_535 };

describe('a space of protocols and ports', () => {
  it('without lists is one atom', () => {
    const space = new PortSpace([]);
    expect(space.atoms).toEqual([[{ protocol: undefined, ...ALL_PORTS }]]);
    expect(space.pieces(space.all)).toEqual([{ protocol: undefined, ...ALL_PORTS }]);
  });

  it('has as few atoms as tell the lists apart', () => {
    const web = [range(6, 80), range(6, 443)];
    const more = [range(6, 443), range(6, 8080)];
    const space = new PortSpace([web, more, web]);
    // 80; 443; 8080; everything else.
    expect(space.atoms).toHaveLength(4);
    expect(space.pieces(space.region(web) & space.region(more))).toEqual([
      { protocol: 6, first: 443, last: 443 },
    ]);
    expect(space.pieces(space.region(web) & ~space.region(more))).toEqual([
      { protocol: 6, first: 80, last: 80 },
    ]);
  });

  it('merges ports that touch, and names other protocols last', () => {
    const space = new PortSpace([[range(17, 10, 20)], [range(17, 21, 30)], [every(1)]]);
    const union = space.region([range(17, 10, 20)]) | space.region([range(17, 21, 30)]);
    expect(space.pieces(union)).toEqual([{ protocol: 17, first: 10, last: 30 }]);
    expect(space.pieces(space.all)).toEqual([
      { protocol: 1, ...ALL_PORTS },
      { protocol: 17, ...ALL_PORTS },
      { protocol: undefined, ...ALL_PORTS },
    ]);
  });

  it('takes the range of all ports for every port', () => {
    const space = new PortSpace([[range(6, 0, 65_535)], [every(6)]]);
    expect(space.region([range(6, 0, 65_535)])).toBe(space.region([every(6)]));
    expect(space.atoms).toHaveLength(2);
  });

  it('ports of every protocol are those of TCP, UDP and SCTP; others have none', () => {
    const space = new PortSpace([[range(undefined, 80)], [range(47, 80)]]);
    expect(space.pieces(space.region([range(undefined, 80)])).map(({ protocol }) => protocol)).toEqual([
      6, 17, 132,
    ]);
    expect(space.region([range(47, 80)])).toBe(0n);
  });

  it('port 0 and no port go together, or are both taken away', () => {
    const low = [range(6, 0, 10)];
    const space = new PortSpace([low, [every(6)]]);
    expect(space.pieces(space.expressible(space.region(low)))).toEqual([{ protocol: 6, first: 1, last: 10 }]);
    expect(space.expressible(space.region([every(6)]))).toBe(space.region([every(6)]));
    const rest = space.region([every(6)]) & ~space.region(low);
    expect(space.pieces(space.expressible(rest))).toEqual([{ protocol: 6, first: 11, last: 65_535 }]);
  });

  it('knows only the lists that it was made for', () => {
    expect(() => new PortSpace([[range(6, 80)]]).region([range(6, 81)])).toThrow('not of the space');
  });
});
