export { Backoff, type BackoffOptions, longestDelayMs, type WaitOptions } from './backoff.js';
export { formatColumns } from './columns.js';
export { Events, warnOfListener } from './events.js';
export { Listeners, type Unsubscribe } from './listeners.js';
export { listenWhenFree } from './listening.js';
export { MultiMap } from './multi-map.js';
export { Queue } from './queue.js';
export { didYouMean, listNames, nearestNames, suggestion } from './suggestions.js';
export { isSystemError, messageOf } from './thrown.js';
export {
  type Facts,
  type TypedError,
  type TypedErrorClass,
  type TypedErrorOptions,
  typedError,
} from './typed-error.js';
