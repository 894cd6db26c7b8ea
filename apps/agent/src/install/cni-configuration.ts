import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isSystemError, messageOf } from '@infra-offload/base';
import type { Logger } from 'pino';
import { DEFAULT_SOCKET_PATH } from '../cni-socket.js';

/** Of the network that the agent configures. */
export const NETWORK_NAME = 'infra-offload';

export interface CniConfigurationOptions {
  /** The configuration's path in the runtime's directory, such as /etc/cni/net.d/10-infra-offload.conflist. */
  readonly path: string;
  readonly socketPath: string;
  readonly logger: Logger;
}

/**
 * The runtime's network configuration for this node. A node counts as ready as soon as there is one, so it is written when
 * pods can be attached, and again when the node's range changes; it stays when the agent ends, since an agent that
 * is away makes the plugin answer "try again later".
 */
export class CniConfiguration {
  readonly #options: CniConfigurationOptions;
  #written: string | undefined;

  constructor(options: CniConfigurationOptions) {
    this.#options = options;
  }

  /**
   * Writes the file if it is not as it should be.
   *
   * @param podCidrs the node's IPv4 ranges for pods.
   */
  async update(podCidrs: readonly string[]): Promise<void> {
    const { path, socketPath, logger } = this.#options;
    const wanted = configurationText(podCidrs, socketPath);
    if (podCidrs.length === 0 || wanted === this.#written) return;
    try {
      if ((await current(path)) !== wanted) {
        await mkdir(dirname(path), { recursive: true });
        await writeFile(`${path}.tmp`, wanted);
        await rename(`${path}.tmp`, path);
        logger.info({ path, podCidrs }, 'network configuration written: pods of this node are attached here');
      }
      this.#written = wanted;
    } catch (error) {
      await rm(`${path}.tmp`, { force: true });
      logger.error({ path, reason: messageOf(error) }, 'the network configuration cannot be written');
    }
  }
}

/**
 * CNI 1.0.0, since host-local of Debian 12 and of many nodes knows no newer one. Host ports are the portmap plugin's work, which is wherever
 * host-local is: it translates in the node's kernel, which has the way to the pods.
 */
export function configurationText(podCidrs: readonly string[], socketPath: string): string {
  const socket = socketPath === DEFAULT_SOCKET_PATH ? {} : { socket: socketPath };
  const ranges = podCidrs.map((subnet) => [{ subnet }]);
  const ipam = { type: 'host-local', ranges };
  const plugin = { type: 'infra-cni', ...socket, ipam, capabilities: { bandwidth: true } };
  const hostPorts = { type: 'portmap', snat: true, capabilities: { portMappings: true } };
  const list = { cniVersion: '1.0.0', name: NETWORK_NAME, plugins: [plugin, hostPorts] };
  return `${JSON.stringify(list, undefined, 2)}\n`;
}

async function current(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
}
