/** What holds for a prefix, unless one of `children` says otherwise for a part of it. */
export interface Prefix {
  /** Bits after `length` are zero. */
  readonly bits: number;
  readonly length: number;
  readonly mask: bigint;
  readonly children: readonly Prefix[];
}

/** One step of a function of port numbers: `mask` from `first` up to the next step. */
export interface Step {
  readonly first: number;
  readonly mask: bigint;
}

/**
 * The fewest prefixes whose longest match is a function of port numbers; what no prefix has gets `around`. The method is
 * that of Draves, King, Venkatachary and Zill, "Constructing Optimal IP Routing Tables" (INFOCOM 1999).
 *
 * @param steps ascending; the first is for port 0.
 */
export function fewestPrefixes(steps: readonly Step[], around: bigint): readonly Prefix[] {
  return place(choices(steps, 0, 65_536), 0, 0, 65_536, around);
}

/** Prefixes that must be there before one with `mask` around them, lest it agrees to more than they do. */
export function narrowing(mask: bigint, children: readonly Prefix[]): readonly Prefix[] {
  return children.flatMap((child) =>
    (mask & ~child.mask) !== 0n ? [child] : narrowing(mask, child.children),
  );
}

/** Masks that a node of the trie may have at the same cost; and its halves, unless all of it is equal. */
interface Choices {
  readonly masks: readonly bigint[];
  readonly halves: readonly [Choices, Choices] | undefined;
}

/** Of `size` ports; the first of `steps` holds for `first`, the others begin after it. */
function choices(steps: readonly Step[], first: number, size: number): Choices {
  if (steps.length === 1) return { masks: steps.map(({ mask }) => mask), halves: undefined };
  const middle = first + size / 2;
  const before = steps.filter((step) => step.first < middle);
  const after = steps.slice(steps[before.length]?.first === middle ? before.length : before.length - 1);
  const low = choices(before, first, size / 2);
  const high = choices(after, middle, size / 2);
  const common = low.masks.filter((mask) => high.masks.includes(mask));
  const masks = common.length > 0 ? common : [...low.masks, ...high.masks];
  return { masks, halves: [low, high] };
}

function place(
  { masks, halves }: Choices,
  bits: number,
  length: number,
  size: number,
  around: bigint,
): readonly Prefix[] {
  const mask = masks.includes(around) ? around : (masks[0] ?? around);
  const half = size / 2;
  const children =
    halves === undefined
      ? []
      : [
          ...place(halves[0], bits, length + 1, half, mask),
          ...place(halves[1], bits + half, length + 1, half, mask),
        ];
  return mask === around ? children : [{ bits, length, mask, children }];
}
