import { readFileSync } from 'node:fs';
import { Random } from '@infra-offload/faults/random';
import { findMutants, type Mutant } from './find.js';

/** A source and its mutants, of which some are tried. */
export interface Subject {
  /** From the project's root. */
  readonly file: string;
  /** Is added to the ids of its mutants, so that no two subjects have the same. */
  readonly first: number;
  readonly mutants: readonly Mutant[];
  readonly tried: readonly Mutant[];
}

/** What a run tries. */
export interface Plan {
  readonly subjects: readonly Subject[];
}

/** @param sample of each file, so many mutants at most. */
export function planOf(root: string, files: readonly string[], sample: number, seed: number): Plan {
  let first = 0;
  const subjects = files.map((file) => {
    const mutants = findMutants(file, readFileSync(`${root}/${file}`, 'utf8'));
    const subject = { file, first, mutants, tried: someOf(mutants, sample, new Random(seed)) };
    first += mutants.length;
    return subject;
  });
  return { subjects };
}

function someOf<T>(all: readonly T[], count: number, random: Random): readonly T[] {
  const left = [...all];
  const chosen: T[] = [];
  while (chosen.length < count && left.length > 0) chosen.push(...left.splice(random.below(left.length), 1));
  return all.filter((one) => chosen.includes(one));
}
