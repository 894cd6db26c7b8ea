export { AbuseClient, type AbuseIdentity, type AbuseOptions } from './abuse-client.js';
export { flight } from './flights.js';
export { FLOODS, type Flood } from './floods.js';
export {
  Flag,
  FrameType,
  frame,
  grpcHeaders,
  headerBlock,
  headers,
  message,
  PREFACE,
  ping,
  rstStream,
  settings,
  settingsAck,
  windowUpdate,
} from './frames.js';
