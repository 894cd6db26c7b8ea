import { type CniArgs, parseCniArgs } from './args.js';
import { CniError, CniErrorCode } from './error.js';
import { excerpt } from './json.js';

/** The operations of CNI 1.1.0 (section 2, "Operations"). */
export const CNI_COMMANDS = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'] as const;
export type CniCommand = (typeof CNI_COMMANDS)[number];

/** One interface of one container: what ADD makes and DEL removes. */
export interface AttachmentKey {
  readonly containerId: string;
  readonly ifname: string;
}

/** What a plugin is asked to do, read from its environment. */
export type CniInvocation =
  | (AttachmentKey & {
      readonly command: 'ADD' | 'CHECK';
      /** Absolute path of the container's network namespace. */
      readonly netns: string;
      readonly args: CniArgs;
      /** Directories in which plugins are looked for. */
      readonly path: readonly string[];
    })
  | (AttachmentKey & {
      readonly command: 'DEL';
      /** Absent when the namespace is gone. */
      readonly netns: string | undefined;
      readonly args: CniArgs;
      readonly path: readonly string[];
    })
  | { readonly command: 'GC' | 'STATUS'; readonly path: readonly string[] }
  | { readonly command: 'VERSION' };

const CONTAINER_ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
/** Linux's IFNAMSIZ less the terminating zero. */
const MAX_IFNAME_LENGTH = 15;

/**
 * Reads the CNI_ variables (CNI 1.1.0, section 2, "Parameters").
 *
 * @throws CniError 4 that names the variable.
 */
export function parseEnvironment(env: Readonly<Record<string, string | undefined>>): CniInvocation {
  const command = readCommand(env.CNI_COMMAND);
  const path = (env.CNI_PATH ?? '').split(':').filter((directory) => directory !== '');
  switch (command) {
    case 'VERSION':
      return { command };
    case 'GC':
    case 'STATUS':
      return { command, path };
    case 'DEL':
      return {
        command,
        ...readAttachmentKey(command, env),
        netns: env.CNI_NETNS ? checkNetns(env.CNI_NETNS) : undefined,
        args: parseCniArgs(env.CNI_ARGS ?? ''),
        path,
      };
    case 'ADD':
    case 'CHECK':
      return {
        command,
        ...readAttachmentKey(command, env),
        netns: checkNetns(required(command, env, 'CNI_NETNS')),
        args: parseCniArgs(env.CNI_ARGS ?? ''),
        path,
      };
    default:
      return command satisfies never;
  }
}

/**
 * Checks a container id: a letter or digit, then letters, digits, `_`, `.` and `-`.
 *
 * @throws CniError 4
 */
export function checkContainerId(containerId: string): string {
  if (!CONTAINER_ID_PATTERN.test(containerId)) {
    throw invalid(
      'CNI_CONTAINERID',
      containerId,
      'is not a letter or digit followed by letters, digits, _ . -',
    );
  }
  return containerId;
}

/**
 * Checks the name of a network interface by the kernel's rules, and without the characters that iproute2 or the kernel
 * take as something else (`#`, quotes, backslash, `%`).
 *
 * @throws CniError 4
 */
export function checkIfname(ifname: string): string {
  if (ifname === '.' || ifname === '..')
    throw invalid('CNI_IFNAME', ifname, 'is not the name of an interface');
  if (ifname.length > MAX_IFNAME_LENGTH) {
    throw invalid('CNI_IFNAME', ifname, `is longer than ${MAX_IFNAME_LENGTH} characters`);
  }
  if (!/^[!-~]+$/.test(ifname) || /[/:#%'"\\]/.test(ifname)) {
    throw invalid('CNI_IFNAME', ifname, 'has white space, a control character, or one of / : # % \' " \\');
  }
  // iproute2 would take it for an option.
  if (ifname.startsWith('-')) throw invalid('CNI_IFNAME', ifname, 'begins with -');
  return ifname;
}

/**
 * Checks that the path of a network namespace is absolute.
 *
 * @throws CniError 4
 */
export function checkNetns(netns: string): string {
  if (!netns.startsWith('/') || netns.includes('\0'))
    throw invalid('CNI_NETNS', netns, 'is not an absolute path');
  return netns;
}

function readCommand(value: string | undefined): CniCommand {
  const command = CNI_COMMANDS.find((known) => known === value);
  if (command !== undefined) return command;
  throw new CniError(
    CniErrorCode.invalidEnvironment,
    value
      ? `CNI_COMMAND '${excerpt(value)}' is unknown; known are ${CNI_COMMANDS.join(', ')}`
      : `CNI_COMMAND is not set; a container runtime runs this plugin with one of ${CNI_COMMANDS.join(', ')}`,
  );
}

function readAttachmentKey(
  command: CniCommand,
  env: Readonly<Record<string, string | undefined>>,
): AttachmentKey {
  return {
    containerId: checkContainerId(required(command, env, 'CNI_CONTAINERID')),
    ifname: checkIfname(required(command, env, 'CNI_IFNAME')),
  };
}

function required(
  command: CniCommand,
  env: Readonly<Record<string, string | undefined>>,
  name: string,
): string {
  const value = env[name];
  if (value) return value;
  throw new CniError(CniErrorCode.invalidEnvironment, `${name} is not set; ${command} needs it`);
}

function invalid(name: string, value: string, reason: string): CniError {
  return new CniError(CniErrorCode.invalidEnvironment, `${name} '${excerpt(value)}' ${reason}`);
}
