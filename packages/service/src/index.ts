export { addressSchema, splitAddress } from './address.js';
export { checkSettings, type RenamedKeys } from './config/check.js';
export { fileLayer, type Layer, mergeLayers, type Path, type Settings, valueAt } from './config/layer.js';
export {
  addSettings,
  commandLayer,
  type Parser,
  parseBoolean,
  parseInteger,
  parseList,
  type SettingOption,
} from './config/options.js';
export { ServiceError } from './error.js';
export { assemble, Lifecycle, type Stop } from './lifecycle.js';
export {
  createLoggers,
  LOG_LEVELS,
  type Logger,
  type Loggers,
  type LogLevel,
  type LogLevelChange,
  LogLevels,
  type LogSettings,
  levelChangeSchema,
  logSchema,
} from './logging.js';
export {
  type MonitoringOptions,
  MonitoringServer,
  metricsRoute,
  monitoringSchema,
  type Reply,
  type Routes,
} from './monitoring.js';
export { programCommand, runProgram, runService } from './program.js';
export { type TlsDefaults, tlsFilesIn, tlsSchema } from './tls.js';
