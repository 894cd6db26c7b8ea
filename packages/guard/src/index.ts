export { Guard, type OnFault } from './guard.js';
export { boundGarbage, endOnUncaught, type ProgramLog, stopOnSignals } from './process.js';
