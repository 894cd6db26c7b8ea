import { ipv4 } from '@infra-offload/net';
import type { Entity } from '@infra-offload/p4rt/proto';
import { DENIAL_PLACES, k8sDp } from '@infra-offload/p4src';
import { beforeEach, expect, it, vi } from 'vitest';
import { createLoggers } from '../log.js';
import { aPod, coreDriver } from '../testing/core.js';
import { type DenialNews, Denials } from './denials.js';

const { denials: counter, denied_ends, denied_what } = k8sDp.registers;
const { server: logger } = createLoggers({ level: 'silent', modules: {} });
const OUTSIDE = ipv4('192.0.2.1');

interface Packet {
  readonly peer?: number;
  readonly port: number;
  readonly profile?: number;
}

/** The device's cells, and how many packets there were. */
let ends: Map<number, bigint>;
let what: Map<number, bigint>;
let count: number;
/** Called at the end of a read of cells. */
let meanwhile: () => void;
let reads: number;
let isAway: boolean;
let log: Denials;
let told: DenialNews[];

function deny({ peer = aPod(2).ip, port, profile = 7 }: Packet): void {
  const place = count++ % DENIAL_PLACES;
  ends.set(place, (BigInt(aPod(1).ip) << 32n) | BigInt(peer));
  what.set(place, (BigInt(port) << 24n) | (6n << 16n) | BigInt(profile));
}

async function* read(entities: readonly Entity[]): AsyncGenerator<Entity> {
  reads += entities.length;
  for (const entity of entities) {
    if (entity.entity?.$case !== 'registerEntry') continue;
    const { registerId, index } = entity.entity.value;
    const cell = Number(index?.index);
    if (registerId === counter.id) yield counter.cell(0, BigInt(count));
    else {
      const [register, cells] = registerId === denied_ends.id ? [denied_ends, ends] : [denied_what, what];
      yield register.cell(cell, cells.get(cell) ?? 0n);
    }
  }
  meanwhile();
}

beforeEach(async () => {
  [ends, what, told] = [new Map(), new Map(), []];
  [count, reads, isAway, meanwhile] = [0, 0, false, () => undefined];
  log = new Denials({
    ring: coreDriver.denials,
    read: () => (isAway ? undefined : read),
    inForce: () => [
      { id: 7, direction: 'ingress', policies: new Set(['default/b', 'default/a']), pods: [], classes: [] },
    ],
    pods: () => [1, 2].map((i) => ({ pod: aPod(i) })),
    logger,
  });
  log.onNews((news) => told.push(news));
  deny({ port: 1 });
  await log.look();
});

const ports = () => log.recent().denials.map(({ port, packets }) => [port, Number(packets)]);

it('tells who was denied by which policies, those of a kind together', async () => {
  deny({ port: 80 });
  deny({ port: 80 });
  deny({ port: 443, peer: OUTSIDE, profile: 8 });
  await log.look();
  const [known, unknown, ...others] = log.recent().denials;
  expect(known).toEqual({
    direction: 'ingress',
    pod: 'default/pod-1',
    podAddress: '10.244.1.1',
    peerAddress: '10.244.1.2',
    peerPod: 'default/pod-2',
    protocol: 6,
    port: 80,
    policies: ['default/a', 'default/b'],
    packets: 2n,
    lastMs: expect.any(BigInt),
  });
  // A profile that has gone meanwhile.
  expect(unknown).toMatchObject({ peerAddress: '192.0.2.1', peerPod: '', direction: '', policies: [] });
  expect(others).toEqual([]);
});

it('tells those who follow what is new, and remembers sums, the last ones last', async () => {
  for (const port of [80, 81]) deny({ port });
  await log.look();
  deny({ port: 80 });
  await log.look();
  expect(told.map(({ denials }) => denials.map(({ port, packets }) => [port, Number(packets)]))).toEqual([
    [
      [80, 1],
      [81, 1],
    ],
    [[80, 1]],
  ]);
  expect(ports()).toEqual([
    [81, 1],
    [80, 2],
  ]);
});

it('reads one cell while nothing is denied', async () => {
  reads = 0;
  await log.look();
  await log.look();
  expect(reads).toBe(2);
  expect(told).toEqual([]);
});

it('says how many were too many to be told', async () => {
  for (let port = 1; port <= 1000; port++) deny({ port });
  await log.look();
  // The place of the next one may be half written.
  expect(ports()).toHaveLength(DENIAL_PLACES - 1);
  expect(ports().at(-1)).toEqual([1000, 1]);
  expect(log.recent().untold).toBe(BigInt(1000 - (DENIAL_PLACES - 1)));
});

it('leaves out what is written while it reads', async () => {
  for (let port = 1; port <= 200; port++) deny({ port });
  // When the cells have been read.
  meanwhile = () => {
    meanwhile = () => undefined;
    for (let port = 201; port <= 300; port++) deny({ port });
  };
  await log.look();
  expect(ports().map(([port]) => port)).toEqual(Array.from({ length: 155 }, (_, i) => 46 + i));
  expect(log.recent().untold).toBe(45n);
  await log.look();
  expect(ports()).toHaveLength(255);
});

it('goes on when the program of the target is started anew', async () => {
  for (let port = 1; port <= 5; port++) deny({ port });
  await log.look();
  count = 0;
  deny({ port: 9 });
  await log.look();
  expect(ports().at(-1)).toEqual([9, 1]);
  expect(log.recent().untold).toBe(0n);
});

it('remembers a thousand kinds', async () => {
  for (let round = 0; round < 5; round++) {
    for (let port = 0; port < 250; port++) deny({ port: round * 250 + port });
    await log.look();
  }
  expect(ports()).toHaveLength(1000);
  expect(ports()[0]).toEqual([250, 1]);
});

it('says what a target lacks', async () => {
  const none = new Denials({
    ring: undefined,
    read: () => read,
    inForce: () => [],
    pods: () => [],
    logger,
  });
  await none.look();
  expect(() => none.recent()).toThrow('does not tell what policies deny');
  const warn = vi.spyOn(logger, 'warn');
  isAway = true;
  await log.look();
  expect(warn).not.toHaveBeenCalled();
  warn.mockRestore();
});
