import { describe, expect, it } from 'vitest';
import { PeerLog } from './peer-log.js';

function log() {
  const lines: object[] = [];
  const write = (fields: object, message: string) => void lines.push({ ...fields, message });
  const clock = { now: 0 };
  return {
    lines,
    clock,
    log: new PeerLog({ info: write, warn: write, error: write }, () => clock.now),
  };
}

describe('PeerLog', () => {
  it('says the same once a minute', () => {
    const { log: peers, lines, clock } = log();
    for (let i = 0; i < 5; i++) peers.warn('10.0.0.1', undefined, 'no certificate', 'refused');
    clock.now = 60_001;
    peers.warn('10.0.0.1', '10.0.0.1:7', 'no certificate', 'refused');
    expect(lines).toEqual([
      { reason: 'no certificate', message: 'refused' },
      { client: '10.0.0.1:7', reason: 'no certificate', message: 'refused' },
    ]);
  });

  it('says a bounded number of things of one address, and how many it left out', () => {
    const { log: peers, lines, clock } = log();
    for (let i = 0; i < 1_000; i++) peers.warn('10.0.0.1', undefined, `name ${i}`, 'refused');
    expect(lines).toHaveLength(10);
    peers.warn('10.0.0.2', undefined, 'another', 'refused');
    expect(lines.at(-1)).toEqual({ reason: 'another', leftOut: 990, message: 'refused' });
    clock.now = 6_001;
    peers.warn('10.0.0.1', undefined, 'later', 'refused');
    expect(lines.at(-1)).toEqual({ reason: 'later', message: 'refused' });
  });

  it('says a bounded number of things of all addresses', () => {
    const { log: peers, lines } = log();
    for (let i = 0; i < 5_000; i++) peers.warn(`10.0.${i >> 8}.${i & 255}`, undefined, 'no', 'refused');
    expect(lines).toHaveLength(60);
  });
});
