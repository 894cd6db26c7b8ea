import type { Direction } from '@infra-offload/policy-compiler';
import { Owner, type RowKey } from '@infra-offload/reconciler';
import type { RuleClass } from '../drivers/driver.js';
import type { Condition } from '../model/condition.js';
import type { ObjectKey, PodObject } from '../model/objects.js';
import type { PolicyTier } from '../model/policy-objects.js';
import type { Dependencies } from './resolve.js';

/** Ids of the profiles that hold for a pod; undefined: it is not isolated in that direction. */
export type ProfileIds = { readonly [direction in Direction]: number | undefined };

/** A pod, and what decides about it; undefined: nothing does. */
export class Subject<Row> {
  ingress: Placement<Row> | undefined = undefined;
  egress: Placement<Row> | undefined = undefined;
  /** What the rows of the pod were last made with. */
  ids: ProfileIds = { ingress: undefined, egress: undefined };
  /** The device has refused its isolation, or there is no id for it: the pod must get no packets through. */
  isCutOff = false;

  constructor(
    readonly key: ObjectKey,
    public pod: PodObject,
  ) {}
}

export interface Placement<Row> {
  readonly stack: Stack<Row>;
  /** Undefined until the next flush. */
  variant: Variant<Row> | undefined;
}

/** The tiers of one direction as isolations name them, with the pods that they hold for. */
export class Stack<Row> {
  readonly subjects = new Set<Subject<Row>>();
  /** What the tiers come to. More than one only if rules name ports of the pods themselves. */
  variants: ReadonlyMap<string, Variant<Row>> = new Map();
  dependencies: Dependencies = NO_DEPENDENCIES;
  /** Something that it depends on has changed since its variants were compiled. */
  isStale = true;
  standing: Standing = { isPending: false, problems: [], missing: [] };

  constructor(
    readonly key: string,
    readonly direction: Direction,
    readonly tiers: readonly PolicyTier[],
  ) {}
}

export const NO_DEPENDENCIES: Dependencies = {
  policies: new Set(),
  sets: new Set(),
  ownPortSets: [],
};

/** A stack as it is for pods with the same ports. */
export class Variant<Row> {
  profile: Profile<Row> | undefined = undefined;
  /** What is counted separately of it. */
  classes: readonly RuleClass[] = [];

  constructor(readonly stack: Stack<Row>) {}
}

/** One content in the device, under one id, for everybody who wants it. */
export class Profile<Row> {
  readonly users = new Set<Variant<Row>>();
  /** Kept without users, too: what denies everything must always be at hand. */
  isPinned = false;
  conditions: readonly Condition[] = [];
  frame = '';
  /** The device refused to change it: what it holds may allow too much. */
  isStale = false;
  readonly owner: Owner<Row>;

  constructor(
    readonly id: number,
    public digest: string,
    /** Of its rows; see RowModel. */
    readonly bundle: RowKey,
  ) {
    this.owner = new Owner(`profile ${id}`);
  }
}

/** How far a stack has come in the device. */
export interface Standing {
  readonly isPending: boolean;
  readonly problems: readonly Condition[];
  /** Names of policies that nobody has sent. */
  readonly missing: readonly string[];
}
