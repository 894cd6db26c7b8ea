import { readFile, writeFile } from 'node:fs/promises';
import { Command, CommanderError } from 'commander';
import { generateDescriptor, nameFromFile } from './codegen.js';
import { P4InfoError } from './errors.js';
import { formatProgram } from './format-program.js';
import { P4Program } from './model/program.js';

interface Output {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

interface Flags {
  readonly name?: string;
  readonly out?: string;
  readonly overview?: boolean;
}

/**
 * The command `p4info-codegen`.
 *
 * @returns The exit code: 0 done, 1 the file or the P4Info is at fault, 2 the command line is
 */
export async function runCodegen(args: readonly string[], { stdout, stderr }: Output): Promise<number> {
  const command = new Command('p4info-codegen')
    .description('Writes the typed descriptor of a P4 program, or an overview of it, from its P4Info.')
    .argument('<file>', 'P4Info in text format (.txtpb) or binary (.binpb)')
    .option('--name <name>', 'name of the constant, before Descriptor (default: derived from the file name)')
    .option('--out <file>', 'file to write instead of standard output')
    .option('--overview', 'write a readable overview instead of TypeScript')
    .exitOverride()
    .configureOutput({ writeOut: (text) => stdout.write(text), writeErr: (text) => stderr.write(text) });
  try {
    command.parse(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
  const [file = ''] = command.args;
  const flags = command.opts<Flags>();
  try {
    const text = await generate(file, flags, (warning) => stderr.write(`${warning}\n`));
    if (flags.out === undefined) stdout.write(text);
    else await writeFile(flags.out, text);
    return 0;
  } catch (error) {
    if (!P4InfoError.is(error) && !isSystemError(error)) throw error;
    stderr.write(
      `p4info-codegen: ${P4InfoError.is(error) ? `${placed(file, error.message)}` : error.message}\n`,
    );
    return P4InfoError.is(error) && error.code === 'CODEGEN' ? 2 : 1;
  }
}

async function generate(file: string, flags: Flags, warn: (text: string) => void): Promise<string> {
  const bytes = await readFile(file);
  const program = P4Program.parse(bytes, {
    onWarning: ({ message, line, column }) => {
      warn(`warning: ${placed(file, line === undefined ? message : `${line}:${column}: ${message}`)}`);
    },
  });
  if (flags.overview) return formatProgram(program);
  const name = flags.name ?? nameFromFile(file);
  if (name === undefined)
    throw new P4InfoError('CODEGEN', 'no name can be derived from the file name; give --name');
  return generateDescriptor(program, name);
}

/** `file:line:column: message`, which editors follow. */
function placed(file: string, message: string): string {
  return /^\d+:\d+: /.test(message) ? `${file}:${message}` : `${file}: ${message}`;
}

function isSystemError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error;
}
