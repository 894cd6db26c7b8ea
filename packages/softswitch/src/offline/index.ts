export { SoftswitchError } from '../errors.js';
export { OfflineTarget } from './offline-target.js';
