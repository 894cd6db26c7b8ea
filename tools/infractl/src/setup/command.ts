import { join } from 'node:path';
import { GnmiClient } from '@infra-offload/p4rt';
import { openClientSecurity, TlsCertsError } from '@infra-offload/tls-certs/grpc';
import { type Command, InvalidArgumentError } from 'commander';
import { Journal } from './journal.js';
import { SetupError } from './setup-error.js';
import { type Report, type Step, setUp, undo } from './step.js';
import { dpdkSteps, es2kHostSteps, es2kSplitSteps } from './targets.js';

const JOURNALS = '/var/lib/infra-offload/setup';
const CERTIFICATES = [
  '--certificates <directory>',
  'certificates to check and use; without them, TLS is off',
] as const;

interface Common {
  readonly undo?: true;
  readonly journals: string;
  readonly certificates?: string;
}

/** Adds `setup dpdk`, `setup es2k-host` and `setup es2k-split`. */
export function addSetupCommand(program: Command): void {
  const setup = program
    .command('setup')
    .description('prepares a node for its target, and reports each step; can be repeated');

  common(setup.command('dpdk').description('prepares a node with infrap4d for DPDK, or the softswitch'))
    .option('--p4runtime <address>', 'P4Runtime address of the target', 'localhost:9559')
    .option('--gnmi <address>', 'gNMI address of the target', 'localhost:9339')
    .option('--ports <count>', 'number of TAP ports, a power of two', powerOfTwo, 8)
    .option('--prefix <text>', 'prefix of their names', 'P4TAP_')
    .option('--mtu <bytes>', 'MTU of the ports', mtu, 1500)
    .option('--huge-pages <count>', 'number of huge pages of 2 MB, or 0', count, 0)
    .action(async (options: Common & Dpdk) => {
      const { p4runtime, gnmi: address, ports, hugePages, ...rest } = options;
      const security = clientSecurity(options.certificates);
      const gnmi = GnmiClient.connect({ address, credentials: security.credentials });
      try {
        const steps = dpdkSteps({
          ...rest,
          gnmi,
          p4runtimeAddress: p4runtime,
          certificates: options.certificates,
          count: ports,
          hugePages,
        });
        await run('dpdk', steps, options);
      } finally {
        gnmi.close();
        security.source?.close();
      }
    });

  common(
    setup
      .command('es2k-host')
      .description('prepares the node of an IPU: the agent runs here, the manager on the IPU'),
  )
    .requiredOption('--interface <name>', 'physical function whose subfunctions pods get')
    .requiredOption('--comms-interface <name>', 'interface of the communication channel to the IPU')
    .option('--comms-address <cidr>', "the node's address on the channel", '10.10.0.1/16')
    .option('--manager <address>', 'address of infra-manager on the IPU', '10.10.0.2:50002')
    .action((options: Common & Es2kHost) =>
      run(
        'es2k-host',
        es2kHostSteps({
          ...options,
          physicalFunction: options.interface,
          managerAddress: options.manager,
          certificates: options.certificates,
        }),
        options,
      ),
    );

  common(
    setup
      .command('es2k-split')
      .description('prepares the ARM cores of an IPU: manager and infrap4d run here'),
  )
    .requiredOption('--comms-interface <name>', 'interface of the communication channel to the node')
    .option('--comms-address <cidr>', "the IPU's address on the channel", '10.10.0.2/16')
    .option('--p4runtime <address>', 'P4Runtime address of infrap4d', 'localhost:9559')
    .option('--gnmi <address>', 'gNMI address of infrap4d', 'localhost:9339')
    .option('--package <directory>', 'directory of the P4 package, if the manager is to load it')
    .action((options: Common & Es2kSplit) =>
      run(
        'es2k-split',
        es2kSplitSteps({
          ...options,
          package: options.package,
          p4runtimeAddress: options.p4runtime,
          gnmiAddress: options.gnmi,
          certificates: options.certificates,
        }),
        options,
      ),
    );
}

interface Dpdk {
  readonly p4runtime: string;
  readonly gnmi: string;
  readonly ports: number;
  readonly prefix: string;
  readonly mtu: number;
  readonly hugePages: number;
}

interface Es2kHost {
  readonly interface: string;
  readonly commsInterface: string;
  readonly commsAddress: string;
  readonly manager: string;
}

interface Es2kSplit {
  readonly commsInterface: string;
  readonly commsAddress: string;
  readonly p4runtime: string;
  readonly gnmi: string;
  readonly package?: string;
}

function common(command: Command): Command {
  return command
    .option(...CERTIFICATES)
    .option('--undo', 'reverts what earlier runs changed')
    .option('--journals <directory>', 'directory where runs record what they change', JOURNALS);
}

async function run(target: string, steps: readonly Step[], options: Common): Promise<void> {
  const journal = Journal.open(join(options.journals, `${target}.json`));
  const go = options.undo === true ? undo : setUp;
  if (!(await go(steps, journal, print))) process.exitCode = 1;
}

function print({ step, outcome, detail }: Report): void {
  process.stdout.write(`${outcome.padEnd(8)} ${step}${detail === '' ? '' : `: ${detail}`}\n`);
}

/** The manager's identity towards its target, from the files that `tls-certs create` makes for it. */
function clientSecurity(directory: string | undefined) {
  const file = (name: string) => join(directory ?? '', name);
  const files = { cert: file('client.crt'), key: file('client.key'), ca: file('ca.crt') };
  try {
    return openClientSecurity({ mode: directory === undefined ? 'insecure' : 'mtls', ...files }, 'target');
  } catch (error) {
    if (TlsCertsError.is(error)) throw new SetupError(error.message, { cause: error });
    throw error;
  }
}

function integer(text: string, min: number, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}`);
  }
  return value;
}
const count = (text: string) => integer(text, 0, 1_048_576);
const mtu = (text: string) => integer(text, 576, 9000);
const powerOfTwo = (text: string) => {
  const value = integer(text, 2, 1024);
  if ((value & (value - 1)) !== 0) throw new InvalidArgumentError('expected a power of two');
  return value;
};
