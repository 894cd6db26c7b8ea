import { messageOf } from '@infra-offload/base';
import { P4Program } from '@infra-offload/p4info';
import type { P4Info } from '@infra-offload/p4info/proto';
import { decodeDeviceConfig } from '@infra-offload/p4rt';
import type { ForwardingPipelineConfig } from '@infra-offload/p4rt/proto';
import type { Dataplane, Pipeline } from '../dataplane/dataplane.js';
import { fail, SoftswitchError } from '../errors.js';
import { bindProgram } from './bind.js';
import type { BoundProgram } from './bound.js';
import { parseContext } from './context.js';
import { type InitialEntry, readInitialEntries } from './initial-entries.js';

/** A pipeline configuration that the data plane can run. */
export interface LoadedConfig {
  readonly config: ForwardingPipelineConfig;
  readonly name: string;
  readonly program: BoundProgram;
  readonly pipeline: Pipeline;
  /** What the program's tables begin with, each with its place in the device config. */
  readonly initial: readonly InitialEntry[];
  /** What the program cannot do although P4Info has it; worth a line in the log. */
  readonly warnings: readonly string[];
}

/**
 * Takes a ForwardingPipelineConfig apart and prepares it, without touching what runs now: the device config is
 * infrap4d's, with one profile of context.json and the SWX specification. INVALID_ARGUMENT if it cannot be realised.
 */
export function loadConfig(
  dataplane: Pick<Dataplane, 'load'>,
  config: ForwardingPipelineConfig | undefined,
): LoadedConfig {
  if (config === undefined) fail('INVALID_ARGUMENT', 'the request has no config');
  if (config.p4info === undefined) fail('INVALID_ARGUMENT', 'the config has no p4info');
  if (config.p4DeviceConfig.length === 0) fail('INVALID_ARGUMENT', 'the config has no p4_device_config');
  const { name, context, spec, entries } = readDeviceConfig(config.p4DeviceConfig);
  const platform = config.p4info.pkgInfo?.platformProperties;
  if (platform !== undefined && platform.multicastGroupTableSize > 0) {
    fail('INVALID_ARGUMENT', 'the program asks for multicast groups, which this target does not have');
  }
  const pipeline = dataplane.load(spec, `${name || 'pipeline'}.spec`);
  const program = bindProgram(readP4Info(config.p4info), parseContext(context), pipeline.schema);
  const initial = entries === undefined ? [] : readInitialEntries(entries);
  return {
    config,
    name,
    program,
    pipeline,
    initial,
    warnings: [...program.warnings, ...withoutEntries(program, initial)],
  };
}

/** Tables that begin empty, although the program has entries for them. */
function withoutEntries({ p4 }: BoundProgram, initial: readonly InitialEntry[]): string[] {
  const filled = new Set(initial.map(({ entry }) => entry.tableId));
  return p4.tables
    .filter((table) => table.hasInitialEntries && !filled.has(table.id))
    .map(
      ({ name }) =>
        `table ${name} begins empty: the device config does not have its entries ('entries' of encodeDeviceConfig)`,
    );
}

function readP4Info(p4info: P4Info): P4Program {
  try {
    return P4Program.fromP4Info(p4info);
  } catch (error) {
    throw new SoftswitchError('INVALID_ARGUMENT', `p4info: ${messageOf(error)}`, { cause: error });
  }
}

interface Parts {
  readonly name: string;
  readonly context: Uint8Array;
  readonly spec: string;
  readonly entries: Uint8Array | undefined;
}

function readDeviceConfig(bytes: Uint8Array): Parts {
  let decoded: ReturnType<typeof decodeDeviceConfig>;
  try {
    decoded = decodeDeviceConfig(bytes);
  } catch (error) {
    throw new SoftswitchError('INVALID_ARGUMENT', `p4_device_config: ${messageOf(error)}`, { cause: error });
  }
  const { name, profiles, entries } = decoded;
  const [profile, second] = profiles;
  if (profile === undefined || second !== undefined) {
    fail(
      'INVALID_ARGUMENT',
      `p4_device_config has ${profiles.length} profiles, this target runs one pipeline`,
    );
  }
  try {
    return {
      name,
      context: profile.context,
      spec: new TextDecoder('utf-8', { fatal: true }).decode(profile.binary),
      entries,
    };
  } catch (error) {
    throw new SoftswitchError('INVALID_ARGUMENT', `p4_device_config: the program '${name}' is not text`, {
      cause: error,
    });
  }
}
