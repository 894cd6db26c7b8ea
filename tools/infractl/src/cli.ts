#!/usr/bin/env node
import type { DeviceEntry } from '@infra-offload/infra-api';
import { Command, InvalidArgumentError, Option } from 'commander';
import { InfractlError, ManagerClient } from './client.js';
import { addDropsCommand } from './drops.js';
import { addFlowsCommand } from './flows.js';
import { formatEntry, formatStatus, parseReference, toJson } from './format.js';
import { addPoliciesCommand } from './policies.js';
import { addSetupCommand } from './setup/command.js';
import { SetupError } from './setup/setup-error.js';
import { addTraceCommand } from './trace.js';

interface GlobalOptions {
  readonly manager: string;
  readonly output: 'text' | 'json';
  readonly insecure?: true;
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** What may look, and change nothing: a certificate of an operator. */
const DIRECTORY = '/etc/pki/infractl';

/** Of wrong flags and certificates that cannot be used, as with the other programs. */
const EXIT_CONFIG = 2;

const program = new Command('infractl')
  .description('Shows what infra-manager wants and what the data plane has')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT_CONFIG))
  .addOption(
    new Option('--manager <address>', 'gRPC address of infra-manager')
      .env('INFRA_MANAGER_ADDRESS')
      .default('127.0.0.1:50002'),
  )
  .addOption(
    new Option('--cert <file>', 'certificate of an operator, PEM')
      .env('INFRACTL_CERT')
      .default(`${DIRECTORY}/tls.crt`),
  )
  .addOption(
    new Option('--key <file>', 'its private key, PEM').env('INFRACTL_KEY').default(`${DIRECTORY}/tls.key`),
  )
  .addOption(
    new Option('--ca <file>', "authorities of infra-manager's certificate, PEM")
      .env('INFRACTL_CA')
      .default(`${DIRECTORY}/ca.crt`),
  )
  .addOption(new Option('--insecure', 'connect without TLS').env('INFRACTL_INSECURE'))
  .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json']).default('text'));

async function withManager(
  use: (manager: ManagerClient, options: GlobalOptions) => Promise<void>,
): Promise<void> {
  const options = program.opts<GlobalOptions>();
  const { cert, key, ca } = options;
  let manager: ManagerClient | undefined;
  try {
    const mode = options.insecure === true ? 'insecure' : 'mtls';
    manager = new ManagerClient(options.manager, { mode, cert, key, ca });
    await use(manager, options);
  } catch (error) {
    if (!(error instanceof InfractlError)) throw error;
    process.stderr.write(`infractl: ${error.message}\n`);
    process.exitCode = error.code === 'INVALID_ARGUMENT' ? EXIT_CONFIG : 1;
  } finally {
    manager?.close();
  }
}

program
  .command('status')
  .description('shows target, agent, objects that need attention, table usage and counters')
  .option('--all', 'show every object', false)
  .action(({ all }: { all: boolean }) =>
    withManager(async (manager, { output }) => {
      const response = await manager.status({ allObjects: all });
      process.stdout.write(output === 'json' ? `${toJson(response)}\n` : formatStatus(response));
    }),
  );

program
  .command('entries')
  .description('shows the table entries that the manager keeps in the device')
  .option('--table <name>', 'only entries of this table or action profile', '')
  .option(
    '--object <kind/name>',
    'only entries of this object, such as service/default/web:http/TCP',
    (text) => {
      const reference = parseReference(text);
      if (!reference)
        throw new InvalidArgumentError(
          'expected node/NAME, pod/ATTACHMENT, service/NAMESPACE/NAME:PORT/PROTOCOL, set/NAME, policy/NAME or isolation/NAMESPACE/POD',
        );
      return reference;
    },
  )
  .action(({ table, object }: { table: string; object?: ReturnType<typeof parseReference> }) =>
    withManager(async (manager, { output }) => {
      const entries: DeviceEntry[] = [];
      for await (const entry of manager.entries({ table, object })) {
        if (output === 'json') entries.push(entry);
        else process.stdout.write(`${formatEntry(entry)}\n`);
      }
      if (output === 'json') process.stdout.write(`${toJson(entries)}\n`);
    }),
  );

addFlowsCommand(program, withManager);
addPoliciesCommand(program, withManager);
addDropsCommand(program, withManager);
addTraceCommand(program, withManager);
addSetupCommand(program);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`infractl: ${error.message}\n`);
  process.exitCode = 1;
}
