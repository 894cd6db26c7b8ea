export { type FaultRun, type FaultTest, faultTest } from './fault-test.js';
export { freeze } from './processes/freeze.js';
export { childrenOf, type Usage, usageOf } from './processes/usage.js';
export { Random } from './random.js';
export { type FaultRow, recordRow } from './report.js';
