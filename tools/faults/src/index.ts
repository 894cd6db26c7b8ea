export { type FaultRun, type FaultTest, faultTest } from './fault-test.js';
export { Random } from './random.js';
export { type FaultRow, recordRow } from './report.js';
