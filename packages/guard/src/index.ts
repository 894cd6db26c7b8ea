export { Guard, type OnFault } from './guard.js';
export { endOnUncaught, type ProgramLog, stopOnSignals } from './process.js';
