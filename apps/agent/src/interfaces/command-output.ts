import { AgentError } from '../errors.js';
import { runCommand } from './command.js';

/**
 * Standard output of a command.
 *
 * @throws AgentError COMMAND_FAILED with the reason that the command gives.
 */
export async function outputOf(file: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(file, args);
  if (code === 0) return stdout;
  const reason = stderr.trim().replace(/\s*\n\s*/g, '; ') || `exit code ${code}`;
  const command = [file, ...args].join(' ');
  throw new AgentError('COMMAND_FAILED', `${command}: ${reason}`, { details: { command, stderr } });
}
