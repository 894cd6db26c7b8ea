import { read } from './files.js';
import { REASONS } from './reasons.js';
import { hasWord, isLiteral, isSaid, sources } from './sources.js';

/** Our own programs, and the folders that have their commands and flags. */
const PROGRAMS: Readonly<Record<string, string>> = {
  infractl: 'tools/infractl/src/',
  'infra-agent': 'apps/agent/src/',
  'infra-manager': 'apps/manager/src/',
  softswitch: 'packages/softswitch/src/',
  'tls-certs': 'packages/tls-certs/src/',
};

/** What does not come from us but from Kubernetes, Linux, the container runtime or its plugins. */
const OTHERS = new Set([
  'CreateContainerError',
  'NotReady',
  'EACCES',
  'extensions/v1beta1',
  '/var/lib/cni/networks',
]);

/** Why something that a guide quotes (a code span, or a line of a shell block) does not exist; undefined if it does. */
export function problemOf(quote: string): string | undefined {
  if (quote === '…' || OTHERS.has(quote)) return undefined;
  const [program = ''] = quote.split(' ');
  if (isOwnCommand(quote) || program === 'kubectl' || program === 'curl') return problemOfCommand(quote);
  if (/^[A-Z][a-z]+[A-Z][A-Za-z]+$/.test(quote))
    return REASONS.includes(quote) ? undefined : `${quote}: no such reason`;
  if (quote.startsWith('/')) return isPath(quote) ? undefined : `${quote}: no such path`;
  if (/^[\w.-]+(: \w+)?$/.test(quote)) {
    const missing = quote.split(/[.: ]+/).find((word) => !hasWord(word));
    return missing === undefined || hasWord(quote) ? undefined : `${quote}: nothing is called ${missing}`;
  }
  return isSaid(quote) ? undefined : `${quote}: nothing says so`;
}

/** Whether this calls one of our programs, or a target of a Makefile. */
export function isOwnCommand(quote: string): boolean {
  const [program = '', argument = '-'] = quote.split(' ');
  return (
    /^[a-z-]/i.test(argument) &&
    (program === 'make' || (Object.hasOwn(PROGRAMS, program) && !quote.includes('…')))
  );
}

function problemOfCommand(command: string): string | undefined {
  const [program = '', ...words] = command.replace(/ && .*/, '').split(/\s+/);
  const folder = PROGRAMS[program];
  if (folder !== undefined) return problemOfCall(program, folder, words);
  if (program === 'make') return problemOfMake(words);
  if (program === 'curl') return words.map(problemOfArgument).find((problem) => problem !== undefined);
  const namespace = words[words.indexOf('-n') + 1] ?? '';
  return isNamed(`name: ${namespace}`) ? undefined : `${command}: there is no namespace ${namespace}`;
}

function problemOfCall(program: string, folder: string, words: readonly string[]): string | undefined {
  const own = sources.filter(({ path }) => path.startsWith(folder));
  const isThere = (pattern: string) => own.some(({ text }) => new RegExp(pattern).test(text));
  const [subcommand] = words;
  if (subcommand?.startsWith('-') === false && !isThere(`[cC]ommand\\('${subcommand}[' ]`))
    return `${program} has no command ${subcommand}`;
  const flag = words.find((word) => word.startsWith('--') && !isThere(`${word}(?![\\w-])`));
  return flag === undefined ? undefined : `${program} has no flag ${flag}`;
}

function problemOfMake(words: readonly string[]): string | undefined {
  const [folder, targets] = words[0] === '-C' ? [`${words[1]}/`, words.slice(2)] : ['', words];
  const makefile = read(`${folder}Makefile`);
  const missing = targets.find((word) => /^[a-z]/.test(word) && !new RegExp(`^${word}:`, 'm').test(makefile));
  return missing === undefined ? undefined : `make: there is no target ${missing}`;
}

/** Of curl: a URL that somebody serves, the path of a socket. */
function problemOfArgument(word: string): string | undefined {
  if (word.startsWith('/')) return isPath(word) ? undefined : `there is no ${word}`;
  const [, host = '', path = ''] = /^http:\/\/([^/]+)(\/\S*)/.exec(word) ?? [];
  const port = host.split(':')[1];
  if (port !== undefined && !hasWord(port)) return `nothing listens on ${port}`;
  const name = path.split('/').at(-1) ?? '';
  return name === '' || hasWord(name) ? undefined : `nothing serves ${path}`;
}

/** Whether sources or manifests have a path, or its folder and its name. */
function isPath(path: string): boolean {
  const name = path.lastIndexOf('/');
  return isNamed(path) || (name > 0 && isNamed(path.slice(0, name)) && isLiteral(path.slice(name + 1)));
}

/** Whether sources or manifests have this text. */
function isNamed(text: string): boolean {
  return sources.some((source) => source.text.includes(text));
}
