export { type FaultRun, type FaultTest, faultTest } from './fault-test.js';
export { callRaw, type RawCall, trailersSize } from './grpc/raw-call.js';
export * from './mutate/index.js';
export { freeze } from './processes/freeze.js';
export { childrenOf, type Usage, usageOf } from './processes/usage.js';
export { growsInProportion } from './proportion.js';
export { Random } from './random.js';
export { type FaultRow, recordRow } from './report.js';
