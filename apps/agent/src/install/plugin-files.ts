import { chmod, copyFile, mkdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isSystemError, messageOf } from '@infra-offload/base';
import { AgentError } from '../errors.js';

/** Where a plugin goes on a node. */
export interface PluginPlaces {
  /** What the paths of the node are below here: /host in a container. */
  readonly root: string;
  /** Where plugins are looked for, on the node. */
  readonly binDirectory: string;
  /** For the Node.js that runs the plugin, since a node need not have one; on the node. */
  readonly nodeDirectory: string;
}

/**
 * Puts a plugin, and the Node.js that runs it, where they are looked for. A file is replaced at once, so that a pod
 * which starts meanwhile gets the old or the new one. Needs glibc and libstdc++ where the plugin runs.
 *
 * @param source the plugin's file, as built; the installed one has its name without ".js".
 * @returns the files, as the node sees them.
 * @throws AgentError STATE
 */
export async function installPlugin(source: string, places: PluginPlaces): Promise<readonly string[]> {
  const { root, binDirectory, nodeDirectory } = places;
  const node = join(nodeDirectory, 'node');
  const plugin = join(binDirectory, basename(source, '.js'));
  const script = (await readFile(source, 'utf8')).replace(/^#!.*\n/, '');
  await replace(join(root, node), (path) => copyFile(process.execPath, path));
  await replace(join(root, plugin), (path) => writeFile(path, `#!${node}\n${script}`));
  return [plugin, node];
}

/** Undoes {@link installPlugin}; what is not there is no error. */
export async function removePlugin(name: string, places: PluginPlaces): Promise<void> {
  const { root, binDirectory, nodeDirectory } = places;
  await rm(join(root, binDirectory, name), { force: true });
  await rm(join(root, nodeDirectory, 'node'), { force: true });
  await removeIfEmpty(join(root, nodeDirectory));
}

async function replace(path: string, make: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true });
    // A program that runs cannot be written to, only replaced.
    await rm(temporary, { force: true });
    await make(temporary);
    await chmod(temporary, 0o755);
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new AgentError('STATE', `${path} cannot be installed: ${messageOf(cause)}`, { cause });
  }
}

async function removeIfEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    if (!isSystemError(error, 'ENOENT', 'ENOTEMPTY')) throw error;
  }
}
