import { typedError } from '@infra-offload/base';

/** What went wrong, stable across versions. */
export type AgentErrorCode =
  /** A command of the system failed; `details.command` and `details.stderr` tell which and why. */
  | 'COMMAND_FAILED'
  /** The CNI socket cannot be served, since another agent listens there for example. */
  | 'SOCKET'
  /** The state directory cannot be read or written. */
  | 'STATE';

/** The one error class of the agent; what container runtimes get are CniErrors. */
export class AgentError extends typedError<AgentErrorCode, Readonly<Record<string, string>>>('AgentError') {}

/** `since 2026-01-31T12:00:00Z (35 s)`, for messages. */
export function since(date: Date): string {
  const seconds = Math.max(0, Math.round((Date.now() - date.getTime()) / 1000));
  return `since ${date.toISOString().replace(/\.[0-9]+Z$/, 'Z')} (${seconds} s)`;
}
