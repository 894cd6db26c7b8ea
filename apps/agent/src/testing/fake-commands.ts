import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** One command that is expected, and what it answers. */
export interface ExpectedCommand {
  /** Name and arguments, separated by one space each. */
  readonly command: string;
  /** Lines of its standard input; none are expected if absent. */
  readonly stdin?: readonly string[];
  /** Printed; anything but a string as JSON. */
  readonly stdout?: unknown;
  readonly stderr?: string;
  readonly code?: number;
  /** Files that it moves: what the command would change in the system. */
  readonly moves?: readonly (readonly [from: string, to: string])[];
}

const names = ['ip', 'devlink', 'nsenter'] as const;

/**
 * `ip`, `devlink` and `nsenter` on the PATH that follow a transcript: each command must be the next one expected, word
 * for word and with that very input. Anything else fails, and makes `verify` fail, whatever the caller made of it.
 */
export class FakeCommands {
  readonly #directory = mkdtempSync(join(tmpdir(), 'infra-agent-commands-'));
  readonly #path = process.env.PATH ?? '';
  readonly #expected: ExpectedCommand[] = [];

  constructor() {
    for (const name of names) {
      const file = join(this.#directory, name);
      writeFileSync(file, `#!${process.execPath}\n${script(this.#directory, name)}`);
      chmodSync(file, 0o755);
    }
    this.#write();
    process.env.PATH = `${this.#directory}${delimiter}${this.#path}`;
  }

  /** Adds to the transcript. */
  expect(...commands: readonly ExpectedCommand[]): void {
    this.#expected.push(...commands);
    this.#write();
  }

  /** Throws if a command came that was not expected, or one has not come. */
  verify(): void {
    const violations = join(this.#directory, 'violations');
    if (existsSync(violations)) throw new Error(readFileSync(violations, 'utf8'));
    const missing = this.#expected.slice(this.#position).map(({ command }) => command);
    if (missing.length > 0) throw new Error(`expected, but never run:\n${missing.join('\n')}`);
  }

  /** Takes the commands off the PATH. */
  remove(): void {
    process.env.PATH = this.#path;
    rmSync(this.#directory, { recursive: true, force: true });
  }

  get #position(): number {
    const file = join(this.#directory, 'position');
    return existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
  }

  #write(): void {
    writeFileSync(join(this.#directory, 'transcript.json'), JSON.stringify(this.#expected));
  }
}

/** What stands in for the command. It is CommonJS, since the file has no extension. */
function script(directory: string, name: string): string {
  return `
const fs = require('node:fs');
const directory = ${JSON.stringify(directory)};
const positionFile = directory + '/position';
const transcript = JSON.parse(fs.readFileSync(directory + '/transcript.json', 'utf8'));
const position = fs.existsSync(positionFile) ? Number(fs.readFileSync(positionFile, 'utf8')) : 0;
const came = { command: [${JSON.stringify(name)}, ...process.argv.slice(2)].join(' '), stdin: fs.readFileSync(0, 'utf8') };
const expected = transcript[position];
const wanted = expected && { command: expected.command, stdin: (expected.stdin ?? []).join('\\n') };
if (JSON.stringify(came) !== JSON.stringify(wanted)) {
  const text = 'command ' + (position + 1) + ' is ' + JSON.stringify(came, null, 1) + '\\nexpected ' +
    (JSON.stringify(wanted, null, 1) ?? 'none') + '\\n';
  fs.appendFileSync(directory + '/violations', text);
  process.stderr.write('unexpected command\\n');
  process.exit(97);
}
fs.writeFileSync(positionFile, String(position + 1));
for (const [from, to] of expected.moves ?? []) fs.renameSync(from, to);
const { stdout = '', stderr = '', code = 0 } = expected;
process.stderr.write(stderr);
process.stdout.write(typeof stdout === 'string' ? stdout : JSON.stringify(stdout));
process.exitCode = code;
`;
}
