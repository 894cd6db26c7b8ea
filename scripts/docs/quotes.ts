import { read } from './files.js';
import { hasWord, isLiteral, isSaid, sources } from './sources.js';

/** The command lines of our own programs, and where their commands and flags are. */
const PROGRAMS: Readonly<Record<string, string>> = {
  infractl: 'tools/infractl/src/cli.ts',
  softswitch: 'packages/softswitch/src/cli.ts',
  'tls-certs': 'packages/tls-certs/src/cli.ts',
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
  if (program in PROGRAMS || program === 'kubectl' || program === 'curl') return problemOfCommand(quote);
  if (/^[A-Z][a-z]+[A-Z][A-Za-z]+$/.test(quote))
    return isLiteral(quote) ? undefined : `${quote}: no such reason`;
  if (quote.startsWith('/')) return isPath(quote) ? undefined : `${quote}: no such path`;
  if (/^[\w.-]+(: \w+)?$/.test(quote)) {
    const missing = quote.split(/[.: ]+/).find((word) => !hasWord(word));
    return missing === undefined || hasWord(quote) ? undefined : `${quote}: nothing is called ${missing}`;
  }
  return isSaid(quote) ? undefined : `${quote}: nothing says so`;
}

function problemOfCommand(command: string): string | undefined {
  const [program = '', ...words] = command.split(/\s+/);
  const path = PROGRAMS[program];
  if (path !== undefined) {
    const text = read(path);
    const [subcommand] = words;
    if (subcommand?.startsWith('-') === false && !new RegExp(`command\\('${subcommand}[' ]`).test(text))
      return `${command}: ${program} has no command ${subcommand}`;
    const flag = words.find((word) => word.startsWith('--') && !new RegExp(`${word}(?![\\w-])`).test(text));
    return flag === undefined ? undefined : `${command}: ${program} has no flag ${flag}`;
  }
  if (program === 'kubectl') {
    const namespace = words[words.indexOf('-n') + 1] ?? '';
    return isNamed(`name: ${namespace}`) ? undefined : `${command}: there is no namespace ${namespace}`;
  }
  for (const word of words) {
    const url = /^http:\/\/([^/]+)(\/\S*)/.exec(word);
    const last = url?.[2]?.split('/').at(-1);
    if (last !== undefined && !hasWord(last)) return `${command}: nothing serves ${url?.[2]}`;
    const port = url?.[1]?.split(':')[1];
    if (port !== undefined && !hasWord(port)) return `${command}: nothing listens on ${port}`;
    if (word.startsWith('/') && !isPath(word)) return `${command}: there is no ${word}`;
  }
  return undefined;
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
