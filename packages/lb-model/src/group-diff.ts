import { endpointId, type GroupPlan } from './group.js';
import { type GroupView, groupView, type SlotEndpoint, type SlotMember } from './group-view.js';

/**
 * One step towards a new plan. Steps are in the order in which they must reach the data plane, so that no member
 * ever names a slot without an endpoint:
 * 1. `setEndpoint` writes or replaces what a slot stands for;
 * 2. `setMembers` replaces all members of the group;
 * 3. `removeEndpoint` takes away what a slot stood for.
 * Steps of one kind may be sent together.
 */
export type GroupStep =
  | { readonly kind: 'setEndpoint'; readonly endpoint: SlotEndpoint }
  | { readonly kind: 'setMembers'; readonly members: readonly SlotMember[] }
  | { readonly kind: 'removeEndpoint'; readonly slot: number };

const NOTHING: GroupView = { endpoints: [], members: [] };

/** The steps from one plan to another; undefined is a group that does not exist. Empty if there is nothing to do. */
export function diffGroupPlans(from: GroupPlan | undefined, to: GroupPlan | undefined): GroupStep[] {
  if (from === to) return [];
  return diffGroupViews(from ? groupView(from) : NOTHING, to ? groupView(to) : NOTHING);
}

/** As `diffGroupPlans`, for instance from what was read back from a data plane. */
export function diffGroupViews(from: GroupView, to: GroupView): GroupStep[] {
  const steps: GroupStep[] = [];
  const installed = new Map(from.endpoints.map((endpoint) => [endpoint.slot, endpointId(endpoint)]));
  for (const endpoint of to.endpoints) {
    if (installed.get(endpoint.slot) !== endpointId(endpoint)) steps.push({ kind: 'setEndpoint', endpoint });
    installed.delete(endpoint.slot);
  }
  if (!sameMembers(from.members, to.members)) steps.push({ kind: 'setMembers', members: to.members });
  for (const slot of installed.keys()) steps.push({ kind: 'removeEndpoint', slot });
  return steps;
}

/** What a data plane holds after the steps; the model of it for tests and dry runs. */
export function applyGroupSteps(view: GroupView, steps: readonly GroupStep[]): GroupView {
  const endpoints = new Map(view.endpoints.map((endpoint) => [endpoint.slot, endpoint]));
  let { members } = view;
  for (const step of steps) {
    switch (step.kind) {
      case 'setEndpoint':
        endpoints.set(step.endpoint.slot, step.endpoint);
        break;
      case 'setMembers':
        members = step.members;
        break;
      case 'removeEndpoint':
        endpoints.delete(step.slot);
        break;
      default:
        step satisfies never;
    }
  }
  return { endpoints: [...endpoints.values()].sort((a, b) => a.slot - b.slot), members };
}

function sameMembers(a: readonly SlotMember[], b: readonly SlotMember[]): boolean {
  if (a.length !== b.length) return false;
  const weights = new Map(a.map((member) => [member.slot, member.weight]));
  return b.every((member) => weights.get(member.slot) === member.weight);
}
