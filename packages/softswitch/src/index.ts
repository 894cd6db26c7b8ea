export type {
  ActionSchema,
  Dataplane,
  DataplaneEntry,
  KeyField,
  LearnedFilter,
  LearnedLayout,
  LearnedPiece,
  MeterSchema,
  MeterStats,
  ParamSchema,
  Pipeline,
  PipelineSchema,
  SelectorSchema,
  TableSchema,
  Value,
  WrittenState,
} from './dataplane/dataplane.js';
export { LocalEngine, type LocalEngineOptions } from './dataplane/host/engine/local.js';
export type { Host, HostSource } from './dataplane/host/host.js';
export { HostDataplane, type HostDataplaneOptions } from './dataplane/host/host-dataplane.js';
export { HostProcesses, type HostProcessesOptions } from './dataplane/host/host-processes.js';
export type { HostProgram } from './dataplane/host/host-program.js';
export { type ReplayedPacket, type ReplayResult, replay } from './dataplane/host/replay.js';
export { schemaOf } from './dataplane/schema.js';
export { SoftswitchError, type StatusName } from './errors.js';
export type { Logger } from './logger.js';
export { MemoryPorts } from './ports/memory.js';
export type { PacketHandler, PortInfo, PortProvider, PortRequest, PortStatistics } from './ports/provider.js';
export { type TapOptions, TapPorts } from './ports/tap.js';
export { Softswitch, type SoftswitchOptions } from './softswitch.js';
