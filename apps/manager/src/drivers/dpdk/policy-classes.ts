import { POLICY_CLASSES } from '@infra-offload/p4src';
import type { PolicyRegions, Region } from '@infra-offload/policy-compiler';

/**
 * Classes of a policy: class i, bit i of every mask, stands for `regions[i]`. An address gets the classes that are part
 * of its region, and so may send what is in any of them.
 */
export interface ClassPlan {
  readonly regions: readonly Region[];
  /** The classes that are part of `region`. */
  mask(region: Region): bigint;
  /** What of `region` no class stands for: 0n, unless more classes would be needed than a mask has bits. */
  lost(region: Region): Region;
}

/**
 * Chooses classes such that every region is a union of some. First come those that follow from the rules alone, so that
 * an address that joins or leaves a set changes no class; then those that fit the regions as they are now.
 */
export function planClasses(regions: PolicyRegions): ClassPlan {
  const { space, parts } = regions;
  const needed = neededRegions(regions);
  const families = [
    () => parts ?? [],
    () => space.atoms.map((_, i) => 1n << BigInt(i)),
    () => irreducible(needed),
    () => partition(needed),
  ];
  for (const family of families) {
    const classes = family();
    if (classes.length > POLICY_CLASSES) continue;
    const plan = planOf(classes);
    if (needed.every((region) => plan.lost(region) === 0n)) return plan;
  }
  const best = parts?.filter((part) => needed.some((region) => isPart(part, region))) ?? [
    ...needed.filter((region) => region === space.all),
    ...needed.filter((region) => region !== space.all),
  ];
  return planOf(best.slice(0, POLICY_CLASSES));
}

/** All regions that some address has, those of ranges first; not the empty one. */
function neededRegions({ everywhere, peers }: PolicyRegions): readonly Region[] {
  const needed = new Set<Region>();
  const ranges = [everywhere];
  for (const { region, children } of ranges) {
    needed.add(region);
    for (const child of children) ranges.push(child);
  }
  for (const { region } of peers) needed.add(region);
  needed.delete(0n);
  return [...needed];
}

/** Those of `needed` that are no union of others; one more than a mask has bits if there are too many. */
function irreducible(needed: readonly Region[]): readonly Region[] {
  const found: Region[] = [];
  // A part is a smaller number than the whole.
  for (const region of [...needed].sort((a, b) => (a < b ? -1 : 1))) {
    if (found.length > POLICY_CLASSES) break;
    if (planOf(found).lost(region) !== 0n) found.push(region);
  }
  return found;
}

/** Disjoint parts that none of `needed` divides; more than a mask has bits if there are too many. */
function partition(needed: readonly Region[]): readonly Region[] {
  let groups: Region[] = [needed.reduce((union, region) => union | region, 0n)];
  for (const region of needed) {
    if (groups.length > POLICY_CLASSES) break;
    groups = groups.flatMap((group) => [group & region, group & ~region]).filter((group) => group !== 0n);
  }
  return groups;
}

function planOf(classes: readonly Region[]): ClassPlan {
  const known = new Map<Region, { readonly mask: bigint; readonly lost: Region }>();
  const look = (region: Region) => {
    let found = known.get(region);
    if (found === undefined) {
      let mask = 0n;
      let lost = region;
      classes.forEach((part, i) => {
        if (!isPart(part, region)) return;
        mask |= 1n << BigInt(i);
        lost &= ~part;
      });
      found = { mask, lost };
      known.set(region, found);
    }
    return found;
  };
  return {
    regions: classes,
    mask: (region) => look(region).mask,
    lost: (region) => look(region).lost,
  };
}

function isPart(part: Region, whole: Region): boolean {
  return (part & ~whole) === 0n;
}
