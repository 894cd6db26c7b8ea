export type {
  ActionCall,
  InstalledEntry,
  KeyValue,
  TableEntry,
} from './control.js';
export { SwxError, type SwxErrorCode, type SwxErrorDetails } from './errors.js';
export type { LearnedEntry, LearnedFilter, LearnedPiece } from './learner-control.js';
export { type ParseSpecOptions, parseSpec } from './parser/parse.js';
export { SwxPipeline, type SwxPipelineOptions, type SwxStats } from './pipeline.js';
export type { MirrorSession } from './runtime/machine.js';
export { METER_LIMIT, type MeterColor, type MeterProfile, type MeterStats } from './runtime/meters.js';
export type { SelectorMember } from './runtime/selector.js';
export type * from './spec.js';
export { formatTrace, type Trace, type TraceStep, type TraceValue } from './trace.js';
export type { SwxValue } from './values.js';
