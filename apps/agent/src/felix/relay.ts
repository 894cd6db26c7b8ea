import { connect, type Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isSystemError, messageOf } from '@infra-offload/base';

export interface RelayOptions {
  /** What Felix says. */
  readonly fromFelix: Readable;
  /** What Felix hears. */
  readonly toFelix: Writable;
  /** Of infra-agent. */
  readonly socketPath: string;
  /** How often the socket is dialled before giving up. */
  readonly attempts?: number;
  readonly delayMs?: number;
}

/**
 * Copies bytes between Felix and infra-agent until one of them ends, no faster than the other reads. What the one has said
 * before is delivered to the other.
 *
 * @returns which of them has ended, for people.
 * @throws if infra-agent cannot be reached, or one of them is lost.
 */
export async function relay(options: RelayOptions): Promise<string> {
  const { fromFelix, toFelix } = options;
  const agent = await dial(options);
  try {
    return await Promise.race([
      pipeline(fromFelix, agent).then(() => 'Felix has ended'),
      pipeline(agent, toFelix).then(() => 'infra-agent has ended'),
    ]);
  } finally {
    for (const stream of [fromFelix, toFelix, agent]) stream.destroy();
  }
}

/** The agent may be starting: Felix waits for its driver, and would restart as a whole if that gave up at once. */
async function dial({ socketPath, attempts = 60, delayMs = 500 }: RelayOptions): Promise<Socket> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await new Promise<Socket>((resolve, reject) => {
        // Each side may say its last words after the other has ended.
        const socket = connect({ path: socketPath, allowHalfOpen: true }, () => {
          socket.off('error', reject);
          resolve(socket);
        });
        socket.once('error', reject);
      });
    } catch (cause) {
      const isAway = isSystemError(cause, 'ENOENT', 'ECONNREFUSED', 'EAGAIN');
      if (isAway && attempt < attempts) {
        await sleep(delayMs);
        continue;
      }
      const seconds = Math.round((attempt - 1) * delayMs) / 1000;
      throw new Error(
        `infra-agent cannot be reached on ${socketPath} for ${seconds} s: ${messageOf(cause)}`,
        {
          cause,
        },
      );
    }
  }
}
