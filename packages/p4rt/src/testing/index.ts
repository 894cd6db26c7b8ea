export { type Cut, CuttingProxy } from './cutting-proxy.js';
export { FakeServer, type Outcome, updateErrors } from './fake-server.js';
export { StrictServer, type UpdateResult } from './strict-server.js';
