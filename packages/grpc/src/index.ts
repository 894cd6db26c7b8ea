export { type Connected, Connections, type ConnectionsOptions, connectClient } from './connections.js';
export { failureText } from './failure.js';
export { DEFAULT_STATUS_BYTES, statusBytes, statusLimits } from './status-limits.js';
export { encodedLength, statusText } from './status-text.js';
export { stopServer } from './stop.js';
