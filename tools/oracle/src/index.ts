export { type Comparison, compare, type Difference, formatComparison } from './compare.js';
export { KernelWorld } from './kernel/kernel-world.js';
export { PipelineWorld } from './pipeline/pipeline-world.js';
export { formatScenario, type Policy, type PolicyRule, type Scenario, type Step } from './scenario.js';
export type { Lane, World } from './world.js';
export { SCENARIOS } from './scenarios/flows.js';
