import { beforeEach, describe, expect, it } from 'vitest';
import { type Operation, type Outcome, Owner } from './model.js';
import { Planner } from './planner.js';
import { drain, ToyDevice, type ToyRow, toyModel } from './testing/index.js';

const leaf = (id: number, value = 0): ToyRow => ({ table: 'leaf', id, value });
const group = (id: number, ...leaves: number[]): ToyRow => ({ table: 'group', id, leaves });
const head = (id: number, of?: number): ToyRow => ({ table: 'head', id, group: of });
const REFUSED: Outcome = { kind: 'refused', reason: 'TableFull', message: 'full' };

let planner: Planner<ToyRow>;
let device: ToyDevice;
let owner: Owner<ToyRow>;
beforeEach(() => {
  planner = new Planner(toyModel);
  planner.reset([]);
  device = new ToyDevice();
  owner = new Owner('a');
});

/** The one update that may be sent now. */
function next(): Operation<ToyRow> {
  const [operation, ...others] = planner.nextBatch({ updates: 100, bytes: 1e6 });
  if (operation === undefined || others.length > 0) throw new Error('expected one update');
  return operation;
}
function answer(outcome: Outcome): string {
  const operation = next();
  planner.report(operation, outcome);
  return `${operation.kind} ${operation.cell.key}`;
}

describe('answers that contradict what is known', () => {
  const EXISTS: Outcome = { kind: 'exists' };
  const ABSENT: Outcome = { kind: 'absent' };

  it('are taken for the truth twice, and then for a failure', () => {
    planner.setWanted(owner, [leaf(1)]);
    expect([answer(EXISTS), answer(ABSENT)]).toEqual(['insert leaf/1', 'modify leaf/1']);
    expect(owner.progress).toBe('pending');
    expect(answer(EXISTS)).toBe('insert leaf/1');
    expect(owner.progress).toBe('failed');
    expect(planner.cell('leaf/1')?.failure).toEqual({
      reason: 'WriteFailed',
      message: 'the device has such an entry already',
      attempts: 1,
    });
    for (const cell of planner.takeFailed()) planner.retry(cell);
    expect(answer(ABSENT)).toBe('modify leaf/1');
    expect(planner.cell('leaf/1')?.failure).toEqual({
      reason: 'WriteFailed',
      message: 'the device has no such entry to change',
      attempts: 2,
    });
    for (const cell of planner.takeFailed()) planner.retry(cell);
    expect(answer({ kind: 'done' })).toBe('insert leaf/1');
    expect([owner.progress, planner.settled]).toEqual(['done', true]);
    // What is over does not count.
    planner.setWanted(owner, [leaf(1, 1)]);
    expect([answer(ABSENT), answer(EXISTS), answer({ kind: 'done' })]).toEqual([
      'modify leaf/1',
      'insert leaf/1',
      'modify leaf/1',
    ]);
    expect(owner.progress).toBe('done');
  });

  it('are none for what was to go anyway', () => {
    planner.setWanted(owner, [leaf(1)]);
    drain(planner, device);
    planner.setWanted(owner, []);
    expect(answer(ABSENT)).toBe('delete leaf/1');
    expect(planner.nextBatch({ updates: 9, bytes: 1e6 })).toEqual([]);
    expect([owner.progress, [...planner.cells()]]).toEqual(['done', []]);
  });
});

describe('a row that did not get into the device', () => {
  it.each<[string, Outcome]>([
    ['because it was refused', REFUSED],
    ['because it was not sent', { kind: 'unsent' }],
  ])('%s holds nothing back that it named', (_, outcome) => {
    planner.setWanted(owner, [leaf(1), group(1, 1)]);
    answer({ kind: 'done' });
    expect(answer(outcome)).toBe('insert group/1');
    planner.setWanted(owner, []);
    expect(answer({ kind: 'done' })).toBe('delete leaf/1');
    expect([...planner.cells()]).toEqual([]);
  });

  it('is written anew if it was found missing, and so is what it named', () => {
    planner.setWanted(owner, [leaf(1), leaf(2), group(1, 1)]);
    drain(planner, device);
    planner.setWanted(owner, [leaf(1), leaf(2), group(1, 2)]);
    expect(answer({ kind: 'absent' })).toBe('modify group/1');
    planner.setWanted(owner, []);
    expect(planner.cell('leaf/1')?.dependents).toBe(0);
    expect(planner.cell('leaf/2')?.dependents).toBe(0);
    expect(planner.nextBatch({ updates: 9, bytes: 1e6 })).toHaveLength(2);
  });

  it('may be written with other values at once: only what was refused waits', () => {
    planner.setWanted(owner, [leaf(1)]);
    answer(REFUSED);
    expect(planner.takeFailed()).toHaveLength(1);
    expect(planner.nextBatch({ updates: 9, bytes: 1e6 })).toEqual([]);
    planner.setWanted(owner, [leaf(1, 1)]);
    expect([owner.progress, planner.cell('leaf/1')?.failure]).toEqual(['pending', undefined]);
    expect(answer({ kind: 'done' })).toBe('insert leaf/1');
    expect(owner.progress).toBe('done');
  });

  it('whose removal is refused counts for whoever wanted it', () => {
    planner.setWanted(owner, [leaf(1)]);
    drain(planner, device);
    planner.setWanted(owner, []);
    answer(REFUSED);
    expect(owner.progress).toBe('failed');
    const [cell] = planner.takeFailed();
    expect(cell?.failure).toMatchObject({ reason: 'TableFull', attempts: 1 });
    if (cell !== undefined) planner.retry(cell);
    answer(REFUSED);
    expect(cell?.failure?.attempts).toBe(2);
  });

  it('counts once, and not when its answer comes after the device has gone', () => {
    planner.setWanted(owner, [leaf(1)]);
    const operation = next();
    expect(planner.flying).toBe(1);
    planner.report(operation, REFUSED);
    planner.report(operation, REFUSED);
    expect([planner.flying, planner.takeFailed().length]).toEqual([0, 1]);
    planner.reset([]);
    const late = next();
    planner.detach();
    planner.report(late, REFUSED);
    expect([planner.flying, planner.takeFailed(), owner.progress]).toEqual([0, [], 'pending']);
  });
});

describe('the progress of an owner', () => {
  it('is pending as long as what its rows name is wanted by nobody', () => {
    planner.setWanted(owner, [group(1, 7)]);
    drain(planner, device);
    expect([owner.progress, owner.waiting, owner.moving]).toEqual(['pending', 1, 0]);
    planner.setWanted(new Owner('b'), [leaf(7)]);
    drain(planner, device);
    expect(owner.progress).toBe('done');
  });

  it('is failed if what its rows name waits for something that was refused', () => {
    const [base, groups] = [new Owner<ToyRow>('base'), new Owner<ToyRow>('groups')];
    device.capacity = 0;
    planner.setWanted(owner, [head(1, 1)]);
    planner.setWanted(groups, [group(1, 1)]);
    planner.setWanted(base, [leaf(1)]);
    drain(planner, device);
    expect([base, groups, owner].map(({ progress }) => progress)).toEqual(['failed', 'failed', 'failed']);
    expect([groups.blocked, owner.blocked]).toEqual([1, 1]);
    device.capacity = 3;
    for (const cell of planner.cells()) planner.retry(cell);
    drain(planner, device);
    expect([base, groups, owner].map(({ progress }) => progress)).toEqual(['done', 'done', 'done']);
  });
});

it('a batch is cut at its limits', () => {
  planner.setWanted(owner, [leaf(1), leaf(2), leaf(3), leaf(4), leaf(5)]);
  expect(planner.nextBatch({ updates: 2, bytes: 1e6 })).toHaveLength(2);
  // Each has 10 bytes: full with the one that reaches the limit.
  expect(planner.nextBatch({ updates: 9, bytes: 20 })).toHaveLength(2);
  expect(planner.nextBatch({ updates: 9, bytes: 20 })).toHaveLength(1);
  expect([planner.flying, planner.moving, planner.settled]).toEqual([5, 5, false]);
});
