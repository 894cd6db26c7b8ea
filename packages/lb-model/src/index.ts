export { bucketSlots, NO_SLOT } from './bucket-slots.js';
export {
  type BucketEndpoint,
  type BucketTable,
  maglevBuckets,
  rebalanceBuckets,
} from './buckets.js';
export { LbModelError, type LbModelErrorCode } from './errors.js';
export type {
  ActiveSlot,
  DrainingSlot,
  EndpointSpec,
  GroupPlan,
  PlanOptions,
  RestingSlot,
  ServiceState,
  Slot,
} from './group.js';
export { applyGroupSteps, diffGroupPlans, diffGroupViews, type GroupStep } from './group-diff.js';
export { advanceGroup, emptyGroupPlan, endDrain, nextDeadline, planGroup } from './group-plan.js';
export {
  type GroupView,
  groupView,
  restoreGroupPlan,
  type SlotEndpoint,
  type SlotMember,
} from './group-view.js';
export {
  type AllocateOptions,
  type Allocation,
  IdPool,
  type IdPoolOptions,
  type IdPoolState,
} from './id-pool.js';
