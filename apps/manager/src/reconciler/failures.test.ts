import { Owner, Planner } from '@infra-offload/reconciler';
import { drain, ToyDevice, type ToyRow, toyModel } from '@infra-offload/reconciler/testing';
import { describe, expect, it } from 'vitest';
import { conflictsOf, failuresOf } from './failures.js';

const leaf = (id: number, value = 0): ToyRow => ({ table: 'leaf', id, value });
const group = (id: number, ...leaves: number[]): ToyRow => ({ table: 'group', id, leaves });

function world() {
  const planner = new Planner(toyModel);
  planner.reset([]);
  const failureOf = (key: string | number) => planner.cell(key)?.failure;
  return {
    planner,
    device: new ToyDevice(),
    owner: new Owner<ToyRow>('a'),
    other: new Owner<ToyRow>('b'),
    failureOf,
  };
}

describe('why the rows of an owner are not in the device', () => {
  it('is each refusal, of its own rows', () => {
    const { planner, device, owner, other, failureOf } = world();
    device.capacity = 0;
    planner.setWanted(owner, [leaf(1), leaf(2)]);
    planner.setWanted(other, [leaf(3)]);
    drain(planner, device);
    expect(failuresOf(owner, failureOf)).toEqual([
      { reason: 'TableFull', message: 'full', attempts: 1 },
      { reason: 'TableFull', message: 'full', attempts: 1 },
    ]);
    expect(failuresOf(other, failureOf)).toHaveLength(1);
  });

  it("is the refusal of another's row that they name", () => {
    const { planner, device, owner, other, failureOf } = world();
    device.capacity = 0;
    planner.setWanted(other, [leaf(1)]);
    planner.setWanted(owner, [group(1, 1)]);
    drain(planner, device);
    expect(failuresOf(owner, failureOf)).toEqual([
      { reason: 'DependencyFailed', message: 'waits for leaf/1, which the target refused: full' },
    ]);
    expect(failuresOf(owner, () => undefined)).toEqual([
      { reason: 'DependencyFailed', message: 'waits for leaf/1, which the target refused' },
    ]);
    expect(failuresOf(new Owner<ToyRow>('c'), failureOf)).toEqual([
      { reason: 'DependencyFailed', message: 'waits for another entry, which the target refused' },
    ]);
  });

  it('is what another owner wants otherwise', () => {
    const { planner, owner, other } = world();
    planner.setWanted(other, [leaf(1), leaf(2), leaf(3)]);
    planner.setWanted(owner, [leaf(1, 9), leaf(2, 9), leaf(3)]);
    expect(conflictsOf(owner)).toEqual([
      { reason: 'EntryConflict', message: 'another object has leaf/1, leaf/2' },
    ]);
    expect(conflictsOf(other)).toEqual([]);
  });
});
