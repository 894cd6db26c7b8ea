#!/usr/bin/env node
import type { DeviceEntry } from '@infra-offload/infra-api';
import { Command, InvalidArgumentError, Option } from 'commander';
import { InfractlError, ManagerClient } from './client.js';
import { formatEntry, formatStatus, parseReference, toJson } from './format.js';

interface GlobalOptions {
  readonly manager: string;
  readonly output: 'text' | 'json';
}

const program = new Command('infractl')
  .description('Shows what infra-manager wants and what the data plane has')
  .addOption(
    new Option('--manager <address>', 'gRPC address of infra-manager')
      .env('INFRA_MANAGER_ADDRESS')
      .default('127.0.0.1:50002'),
  )
  .addOption(new Option('-o, --output <format>', 'output format').choices(['text', 'json']).default('text'));

async function withManager(
  use: (manager: ManagerClient, options: GlobalOptions) => Promise<void>,
): Promise<void> {
  const options = program.opts<GlobalOptions>();
  const manager = new ManagerClient(options.manager);
  try {
    await use(manager, options);
  } catch (error) {
    if (!(error instanceof InfractlError)) throw error;
    process.stderr.write(`infractl: ${error.message}\n`);
    process.exitCode = 1;
  } finally {
    manager.close();
  }
}

program
  .command('status')
  .description('target, agent, objects that are not programmed, table usage, counters')
  .option('--all', 'name every object', false)
  .action(({ all }: { all: boolean }) =>
    withManager(async (manager, { output }) => {
      const response = await manager.status({ allObjects: all });
      process.stdout.write(output === 'json' ? `${toJson(response)}\n` : formatStatus(response));
    }),
  );

program
  .command('entries')
  .description('the table entries that the manager keeps in the device')
  .option('--table <name>', 'only this table or action profile', '')
  .option(
    '--object <kind/name>',
    'only what belongs to this object, for instance service/default/web:http/TCP',
    (text) => {
      const reference = parseReference(text);
      if (!reference)
        throw new InvalidArgumentError(
          'expected node/NAME, pod/ATTACHMENT or service/NAMESPACE/NAME:PORT/PROTOCOL',
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

await program.parseAsync();
