#!/usr/bin/env node
import { resolve } from 'node:path';
import { messageOf } from '@infra-offload/base';
import { Command, InvalidArgumentError, Option } from 'commander';
import { TlsCertsError } from './errors.js';
import { formatReports, inspectTree } from './inspect.js';
import { KEY_BITS, type KeyBits } from './keys.js';
import { applySecrets, formatSecrets, secretManifests } from './secrets.js';
import { createTree, renewTree } from './tree.js';

/** Where the manager is in split mode, as the target's own tools set it up. */
const SPLIT_ADDRESS = '10.10.0.2';

const DIRECTORY = ['-d, --directory <path>', 'directory of the certificates', 'certs'] as const;

interface IssueFlags {
  readonly directory: string;
  readonly bits: KeyBits;
  readonly days?: number;
  readonly split?: string | true;
  readonly name: readonly string[];
}

/** Of wrong flags, as with the other programs. */
const EXIT_CONFIG = 2;

const program = new Command('tls-certs')
  .description('Manages certificates for infra-agent, infra-manager, the target and infractl')
  .version('0.1.0')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT_CONFIG))
  .showHelpAfterError("('tls-certs --help' lists commands and options)");

issuing(program.command('create'))
  .description('creates an authority and all certificates')
  .option('--force', 'replaces existing files, including the authority')
  .action(async ({ force, ...flags }: IssueFlags & { force?: true }) => {
    const files = await createTree(flags.directory, { ...issueOptions(flags), force: force === true });
    console.log(`created ${files.length} files in ${resolve(flags.directory)}`);
  });

issuing(program.command('renew'))
  .description(
    'replaces all certificates and keys; the authority stays, so old and new ones are both trusted',
  )
  .action(async (flags: IssueFlags) => {
    const { files, warnings } = await renewTree(flags.directory, issueOptions(flags));
    console.log(
      `renewed ${files.filter((file) => !file.endsWith('.key') && !file.endsWith('ca.crt')).length} certificates in ${resolve(flags.directory)}`,
    );
    for (const warning of warnings) console.error(`tls-certs: ${warning}`);
  });

program
  .command('inspect')
  .description('shows all certificates in a directory; fails if anything is wrong')
  .argument('[directory]', 'directory of the certificates', 'certs')
  .action((root: string) => {
    const reports = inspectTree(root);
    console.log(formatReports(reports));
    if (reports.some(({ problems }) => problems.length > 0)) process.exitCode = 1;
  });

program
  .command('secrets')
  .description('prints the Secrets that the pods of agent and manager mount')
  .option(...DIRECTORY)
  .option('-n, --namespace <name>', 'namespace of the Secrets', 'kube-system')
  .option('--apply', 'applies them with kubectl instead of printing them')
  .action((flags: { directory: string; namespace: string; apply?: true }) => {
    const manifests = secretManifests(flags.directory, flags.namespace);
    process.stdout.write(flags.apply === true ? applySecrets(manifests) : formatSecrets(manifests));
  });

function issuing(command: Command): Command {
  const bits = new Option('--bits <number>', 'size of the RSA keys').choices(['3072', '4096']).default(3072);
  return command
    .option(...DIRECTORY)
    .addOption(bits.argParser(parseBits))
    .option('--days <number>', 'how many days certificates are valid (default: 365)', parseDays)
    .option('--split [address]', `address of the manager in split mode (default: ${SPLIT_ADDRESS})`)
    .option(
      '--name <name>',
      'additional DNS name or address of manager and target; may be repeated',
      (name: string, names: readonly string[]) => [...names, name],
      [],
    );
}

function issueOptions({ bits, days, split, name }: IssueFlags) {
  const address = split === true ? SPLIT_ADDRESS : split;
  return {
    bits,
    ...(days !== undefined && { days }),
    names: address === undefined ? name : [address, ...name],
  };
}

function parseBits(text: string): KeyBits {
  const bits = KEY_BITS.find((size) => size >= 3072 && String(size) === text);
  if (bits === undefined) throw new InvalidArgumentError('it must be 3072 or 4096.');
  return bits;
}

function parseDays(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text))
    throw new InvalidArgumentError('it must be a whole number of at least 1.');
  return Number(text);
}

program.parseAsync().catch((error: unknown) => {
  console.error(`tls-certs: ${messageOf(error)}`);
  if (!TlsCertsError.is(error) && error instanceof Error) console.error(error.stack);
  process.exitCode = TlsCertsError.is(error, 'INVALID') ? EXIT_CONFIG : 1;
});
