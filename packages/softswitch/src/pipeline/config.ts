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

/** A pipeline configuration that the data plane can run. */
export interface LoadedConfig {
  readonly config: ForwardingPipelineConfig;
  readonly name: string;
  readonly program: BoundProgram;
  readonly pipeline: Pipeline;
}

/**
 * Takes a ForwardingPipelineConfig apart and prepares it, without touching what runs now: the device config is
 * infrap4d's, with one profile of context.json and the SWX specification. INVALID_ARGUMENT if it cannot be realised.
 */
export function loadConfig(dataplane: Dataplane, config: ForwardingPipelineConfig | undefined): LoadedConfig {
  if (config === undefined) fail('INVALID_ARGUMENT', 'the request has no config');
  if (config.p4info === undefined) fail('INVALID_ARGUMENT', 'the config has no p4info');
  if (config.p4DeviceConfig.length === 0) fail('INVALID_ARGUMENT', 'the config has no p4_device_config');
  const { name, context, spec } = readDeviceConfig(config.p4DeviceConfig);
  const platform = config.p4info.pkgInfo?.platformProperties;
  if (platform !== undefined && platform.multicastGroupTableSize > 0) {
    fail('INVALID_ARGUMENT', 'the program asks for multicast groups, which this target does not have');
  }
  const pipeline = dataplane.load(spec, `${name || 'pipeline'}.spec`);
  const program = bindProgram(readP4Info(config.p4info), parseContext(context), pipeline.schema);
  return { config, name, program, pipeline };
}

function readP4Info(p4info: P4Info): P4Program {
  try {
    return P4Program.fromP4Info(p4info);
  } catch (error) {
    throw new SoftswitchError('INVALID_ARGUMENT', `p4info: ${messageOf(error)}`, { cause: error });
  }
}

function readDeviceConfig(bytes: Uint8Array): { name: string; context: Uint8Array; spec: string } {
  let decoded: ReturnType<typeof decodeDeviceConfig>;
  try {
    decoded = decodeDeviceConfig(bytes);
  } catch (error) {
    throw new SoftswitchError('INVALID_ARGUMENT', `p4_device_config: ${messageOf(error)}`, { cause: error });
  }
  const { name, profiles } = decoded;
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
    };
  } catch (error) {
    throw new SoftswitchError('INVALID_ARGUMENT', `p4_device_config: the program '${name}' is not text`, {
      cause: error,
    });
  }
}
