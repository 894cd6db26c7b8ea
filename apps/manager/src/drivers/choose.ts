import type { ChannelCredentials } from '@grpc/grpc-js';
import { messageOf } from '@infra-offload/base';
import { mac } from '@infra-offload/net';
import { P4Program } from '@infra-offload/p4info';
import { P4RuntimeSession, P4rtError } from '@infra-offload/p4rt';
import { es2kDpDeviceConfig, es2kDpP4Info } from '@infra-offload/p4src';
import { ServiceError } from '@infra-offload/service';
import type { Config } from '../config/config.js';
import type { Logger } from '../log.js';
import { dpdkDriver } from './dpdk/driver.js';
import { timeoutsOf } from './dpdk/timeouts.js';
import type { Driver } from './driver.js';
import { es2kDriver } from './es2k/driver.js';
import { type PipelinePackage, readPackage } from './es2k/package.js';
import { isEs2kProgram } from './es2k/program.js';

/** The driver for the target's pipeline, whatever its rows are. */
export interface ChosenDriver {
  use<Result>(run: <Row>(driver: Driver<Row>) => Result): Result;
}

/** What `pipeline.kind` can name; each has its function in {@link DRIVERS}. */
type Kind = Exclude<Config['pipeline']['kind'], 'auto'>;

/** Lowest election id there is: whoever else drives the target stays its primary. */
const LOOK_ELECTION_ID = 1n;
/** How long the start waits for a target that does not answer. */
const LOOK_DEADLINE_MS = 3_000;

/**
 * Chooses the driver: by `pipeline.kind`, or by the P4Info of the package in `pipeline.directory`, or else by that of the pipeline
 * that runs on the target. A target that is away, or runs none, gets the pipeline for DPDK.
 *
 * @throws ServiceError CONFIG when the package cannot be used.
 */
export async function chooseDriver(
  config: Config,
  credentials: ChannelCredentials,
  logger: Logger,
): Promise<ChosenDriver> {
  const { kind, directory } = config.pipeline;
  if (kind === 'dpdk') return DRIVERS.dpdk(config);
  if (directory !== undefined) return DRIVERS.es2k(config, fromDirectory(directory));
  if (kind === 'es2k') return DRIVERS.es2k(config);
  const found = await onTarget(config, credentials, logger);
  return found === undefined ? DRIVERS.dpdk(config) : DRIVERS.es2k(config, found);
}

const PORTABLE: PipelinePackage = {
  get program() {
    return es2kDpP4Info();
  },
  get deviceConfig() {
    return es2kDpDeviceConfig();
  },
};

const DRIVERS = {
  dpdk: ({ dataPlane }: Config) => {
    const gatewayMac = mac(dataPlane.gatewayMac);
    const endsDeniedFlows = dataPlane.policyChange === 'cut';
    const timeouts = timeoutsOf(dataPlane.conntrack);
    return chosen(dpdkDriver({ gatewayMac, endsDeniedFlows, timeouts, podShare: dataPlane.podShare }));
  },
  es2k: ({ dataPlane }: Config, { program, deviceConfig }: PipelinePackage = PORTABLE) => {
    const gatewayMac = mac(dataPlane.gatewayMac);
    const { arpProxyInterface } = dataPlane;
    return chosen(es2kDriver({ program, deviceConfig, gatewayMac, arpProxyInterface }));
  },
} satisfies { readonly [kind in Kind]: (config: Config) => ChosenDriver };

function chosen<Row>(driver: Driver<Row>): ChosenDriver {
  return { use: (run) => run(driver) };
}

function fromDirectory(directory: string): PipelinePackage {
  const found = readPackage(directory);
  if (isEs2kProgram(found.program)) return found;
  const tables = found.program.tables.map(({ alias }) => alias).join(', ');
  throw new ServiceError(
    'CONFIG',
    `pipeline.directory ${directory}: its P4Info is not that of an ES2K package; its tables are ${tables}`,
  );
}

/** The ES2K package that the target runs, if it does. */
async function onTarget(
  { target }: Config,
  credentials: ChannelCredentials,
  logger: Logger,
): Promise<PipelinePackage | undefined> {
  let session: P4RuntimeSession | undefined;
  try {
    session = await P4RuntimeSession.open({
      address: target.p4runtimeAddress,
      credentials,
      deviceId: target.deviceId,
      electionId: LOOK_ELECTION_ID,
      deadlineMs: Math.min(target.deadlineMs, LOOK_DEADLINE_MS),
      reconnect: false,
    });
    const { p4info, deviceConfig } = (await session.getPipeline('ALL')) ?? {};
    if (p4info === undefined) return undefined;
    const program = P4Program.fromP4Info(p4info);
    if (!isEs2kProgram(program)) return undefined;
    logger.info({ tables: program.tables.length }, 'the target runs an ES2K package');
    if (deviceConfig !== undefined && deviceConfig.length > 0) return { program, deviceConfig };
    throw new ServiceError(
      'CONFIG',
      'the target runs an ES2K package but does not report its device config: set pipeline.directory to the folder of the package',
    );
  } catch (error) {
    if (ServiceError.is(error)) throw error;
    const none = P4rtError.is(error, 'FAILED_PRECONDITION', 'NOT_FOUND');
    const why = none ? 'it runs none' : messageOf(error);
    logger.info(
      { target: target.p4runtimeAddress, why },
      'the target does not report its pipeline: using the one for DPDK',
    );
    return undefined;
  } finally {
    session?.close();
  }
}
