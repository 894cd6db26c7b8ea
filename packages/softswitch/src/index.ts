export type {
  ActionSchema,
  Dataplane,
  DataplaneEntry,
  KeyField,
  LearnedEntry,
  ParamSchema,
  Pipeline,
  PipelineSchema,
  SelectorSchema,
  TableSchema,
  Value,
} from './dataplane/dataplane.js';
export { DpdkDataplane, type DpdkOptions } from './dataplane/dpdk/dataplane.js';
export { type ReplayedPacket, type ReplayResult, replay } from './dataplane/dpdk/replay.js';
export { SwxHost, type SwxHostOptions } from './dataplane/dpdk/swx-host.js';
export { DpdkTapPorts } from './dataplane/dpdk/tap-ports.js';
export { EngineDataplane } from './dataplane/engine.js';
export { schemaOf } from './dataplane/schema.js';
export { SoftswitchError, type StatusName } from './errors.js';
export type { Logger } from './logger.js';
export { MemoryPorts } from './ports/memory.js';
export type { PacketHandler, PortInfo, PortProvider, PortRequest, PortStatistics } from './ports/provider.js';
export { type TapOptions, TapPorts } from './ports/tap.js';
export { Softswitch, type SoftswitchOptions } from './softswitch.js';
