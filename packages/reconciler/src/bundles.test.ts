import { beforeEach, describe, expect, it } from 'vitest';
import { type Operation, type Outcome, Owner, type RowModel } from './model.js';
import { Planner } from './planner.js';

type Row =
  | { readonly kind: 'part'; readonly id: number; readonly of: string; readonly value: number }
  | { readonly kind: 'user'; readonly id: number; readonly names: string };

const model: RowModel<Row> = {
  phases: 2,
  key: ({ kind, id }) => `${kind} ${id}`,
  table: ({ kind }) => kind,
  phase: ({ kind }) => (kind === 'part' ? 0 : 1),
  equal: (a, b) => JSON.stringify(a) === JSON.stringify(b),
  requires: () => [],
  usable: () => true,
  without: () => undefined,
  bundle: (row) => (row.kind === 'part' ? row.of : undefined),
  names: (row) => (row.kind === 'user' ? row.names : undefined),
  bytes: () => 1,
};
const part = (id: number, of = 'b', value = 0): Row => ({ kind: 'part', id, of, value });
const user = (id: number, names = 'b'): Row => ({ kind: 'user', id, names });

const DONE: Outcome = { kind: 'done' };
const REFUSED: Outcome = { kind: 'refused', reason: 'TableFull', message: 'full' };
const LOST: Outcome = { kind: 'unknown', reason: 'WriteTimeout', message: 'late' };

let planner: Planner<Row>;
let parts: Owner<Row>;
let users: Owner<Row>;
beforeEach(() => {
  planner = new Planner(model);
  planner.reset([]);
  parts = new Owner('parts');
  users = new Owner('users');
});

const take = () => planner.nextBatch({ updates: 100, bytes: 1e6 });
const said = (batch: readonly Operation<Row>[]) => batch.map(({ kind, cell }) => `${kind} ${cell.key}`);

/** Carries out what may be done now, with these outcomes or well, and says what that was. */
function step(outcomes: Readonly<Record<string, Outcome>> = {}): string[] {
  const batch = take();
  for (const operation of batch) planner.report(operation, outcomes[operation.cell.key] ?? DONE);
  return said(batch);
}
/** All is in the device. */
function settle(): void {
  while (step().length > 0);
  expect(planner.settled).toBe(true);
}

describe('a row that names a bundle', () => {
  it('waits until all of the bundle is in the device', () => {
    planner.setWanted(users, [user(1)]);
    planner.setWanted(parts, [part(1), part(2)]);
    const [first, second] = take();
    if (first === undefined || second === undefined) throw new Error('unreachable');
    expect(said([first, second])).toEqual(['insert part 1', 'insert part 2']);
    expect(planner.bundle('b')?.state).toBe('pending');
    planner.report(first, DONE);
    expect(take()).toEqual([]);
    expect([users.waiting, users.progress]).toEqual([1, 'pending']);
    planner.report(second, DONE);
    expect(planner.bundle('b')?.state).toBe('ready');
    expect(step()).toEqual(['insert user 1']);
    expect(users.progress).toBe('done');
  });

  it('does without what the device has refused, if nothing else is there instead', () => {
    planner.setWanted(users, [user(1)]);
    planner.setWanted(parts, [part(1), part(2)]);
    step({ 'part 2': REFUSED });
    expect(planner.bundle('b')?.state).toBe('ready');
    expect(step()).toEqual(['insert user 1']);
    expect([parts.progress, users.progress]).toEqual(['failed', 'done']);
  });

  it.each<[string, Outcome]>([
    ['refused to change', REFUSED],
    ['may or may not have changed', LOST],
  ])('is blocked by what the device %s, until it is right', (_, outcome) => {
    planner.setWanted(parts, [part(1)]);
    settle();
    planner.setWanted(parts, [part(1, 'b', 1)]);
    planner.setWanted(users, [user(1)]);
    expect(step({ 'part 1': outcome })).toEqual(['modify part 1']);
    expect(planner.bundle('b')?.state).toBe('stale');
    expect(step()).toEqual([]);
    expect([users.blocked, users.progress]).toEqual([1, 'failed']);
    for (const cell of planner.takeFailed()) planner.retry(cell);
    expect(step()).toEqual(['modify part 1']);
    expect(step()).toEqual(['insert user 1']);
    expect([users.progress, planner.settled]).toEqual(['done', true]);
  });

  it('is not held up by an insertion without an answer: nothing else can be there', () => {
    planner.setWanted(parts, [part(1)]);
    planner.setWanted(users, [user(1)]);
    step({ 'part 1': LOST });
    expect(planner.bundle('b')?.state).toBe('ready');
    expect(step()).toEqual(['insert user 1']);
  });

  it('is blocked by what the device refuses to remove', () => {
    planner.setWanted(parts, [part(1), part(2)]);
    settle();
    planner.setWanted(parts, [part(1)]);
    expect(step({ 'part 2': REFUSED })).toEqual(['delete part 2']);
    expect(planner.bundle('b')).toMatchObject({ state: 'stale', wanted: 1, moving: 0 });
    planner.setWanted(users, [user(1)]);
    expect(step()).toEqual([]);
    expect(users.progress).toBe('failed');
  });

  it('may name one of which nothing is wanted', () => {
    planner.setWanted(users, [user(1, 'none')]);
    expect(step()).toEqual(['insert user 1']);
  });
});

describe('a bundle that is given up', () => {
  beforeEach(() => {
    planner.setWanted(parts, [part(1), part(2)]);
    planner.setWanted(users, [user(1), user(2)]);
    settle();
  });

  it('stays whole until the last row that names it has gone, and is forgotten then', () => {
    expect(planner.bundle('b')).toMatchObject({ wanted: 2, state: 'ready' });
    expect(planner.bundle('b')?.namers.size).toBe(2);
    planner.setWanted(parts, []);
    expect(step()).toEqual([]);
    planner.setWanted(users, [user(2)]);
    expect(step()).toEqual(['delete user 1']);
    expect(step()).toEqual([]);
    planner.setWanted(users, []);
    expect(step()).toEqual(['delete user 2']);
    expect(step().sort()).toEqual(['delete part 1', 'delete part 2']);
    expect(planner.bundle('b')).toBeUndefined();
    expect([...planner.cells()]).toEqual([]);
  });

  it('stays as long as a row that names another one now has not been changed', () => {
    planner.setWanted(parts, [part(3, 'c')]);
    planner.setWanted(users, [user(1, 'c'), user(2, 'c')]);
    expect(step()).toEqual(['insert part 3']);
    expect(step({ 'user 2': REFUSED }).sort()).toEqual(['modify user 1', 'modify user 2']);
    expect(step()).toEqual([]);
    for (const cell of planner.takeFailed()) planner.retry(cell);
    expect(step()).toEqual(['modify user 2']);
    expect(step().sort()).toEqual(['delete part 1', 'delete part 2']);
    expect([planner.bundle('b'), planner.bundle('c')?.namers.size]).toEqual([undefined, 2]);
  });

  it('gives up single parts at once', () => {
    planner.setWanted(parts, [part(1)]);
    expect(step()).toEqual(['delete part 2']);
    expect(planner.bundle('b')).toMatchObject({ wanted: 1, state: 'ready' });
  });
});

describe('whether a bundle may be changed in place', () => {
  it('is so while every row in the device that names it is to name it', () => {
    expect(planner.isNamedAsWanted('b')).toBe(true);
    planner.setWanted(parts, [part(1), part(2, 'c')]);
    planner.setWanted(users, [user(1), user(2)]);
    settle();
    expect(planner.isNamedAsWanted('b')).toBe(true);
    planner.setWanted(users, [user(1)]);
    expect(planner.isNamedAsWanted('b')).toBe(false);
    settle();
    expect(planner.isNamedAsWanted('b')).toBe(true);
    planner.setWanted(users, [user(1, 'c')]);
    expect(planner.isNamedAsWanted('b')).toBe(false);
    settle();
    expect(planner.isNamedAsWanted('c')).toBe(true);
  });
});

describe('a device that is read back', () => {
  it('has its rows counted anew', () => {
    planner.setWanted(parts, [part(1)]);
    planner.setWanted(users, [user(1), user(2)]);
    settle();
    planner.detach();
    expect(planner.bundle('b')?.state).toBe('pending');
    planner.reset([part(1), user(1)]);
    expect(planner.bundle('b')?.namers.size).toBe(1);
    expect(step()).toEqual(['insert user 2']);
    expect(planner.bundle('b')).toMatchObject({ moving: 0, stale: 0, kept: 0, wanted: 1 });
    expect(planner.bundle('b')?.namers.size).toBe(2);
  });

  it('keeps bundles of which nobody has wanted anything yet', () => {
    planner = new Planner(model, true);
    planner.reset([part(1), user(1)]);
    expect(step()).toEqual([]);
    expect(planner.bundle('b')).toMatchObject({ kept: 1, wanted: 0, state: 'ready' });
    planner.setWanted(users, [user(2)]);
    expect(step()).toEqual(['insert user 2']);
    planner.forgetUnknown();
    expect(step()).toEqual(['delete user 1']);
    planner.setWanted(users, []);
    expect(step()).toEqual(['delete user 2']);
    expect(step()).toEqual(['delete part 1']);
    expect(planner.bundle('b')).toBeUndefined();
  });
});
