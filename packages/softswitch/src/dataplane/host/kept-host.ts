import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { messageOf } from '@infra-offload/base';
import * as z from 'zod';
import { fail } from '../../errors.js';
import type { HostExit, HostHandle } from './host-program.js';
import type { KeeperRequest } from './keeper.js';
import type { RunFiles } from './run-directory.js';

/** How long a keeper may be away: its container may be started again. */
const KEEPER_MS = 10_000;
const POLL_MS = 50;

const exitSchema = z.object({ how: z.string(), refused: z.boolean() });

/** Has the keeper start a host. UNAVAILABLE if there is none. */
export async function startKept(files: RunFiles): Promise<HostHandle> {
  const deadline = performance.now() + KEEPER_MS;
  for (;;) {
    try {
      return await ask(files, 'start');
    } catch (error) {
      if (performance.now() > deadline)
        fail('UNAVAILABLE', `no 'softswitch dataplane' listens at ${files.keeper}: ${messageOf(error)}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

/** The host that runs already. */
export async function watchKept(files: RunFiles): Promise<HostHandle> {
  // Hosts end with their keeper.
  const gone: HostHandle = { exit: undefined, isAlive: () => false, kill: () => undefined };
  return await ask(files, 'watch').catch(() => gone);
}

async function ask({ keeper }: RunFiles, request: KeeperRequest): Promise<HostHandle> {
  const socket = await new Promise<Socket>((resolve, reject) => {
    const opened = connect(keeper, () => resolve(opened)).once('error', reject);
  });
  let alive = true;
  socket.once('close', () => {
    alive = false;
  });
  socket.on('error', () => undefined);
  socket.write(`${request}\n`);
  // A connection does not keep this process from ending.
  socket.unref();
  return {
    exit: exitOf(socket),
    isAlive: () => alive,
    kill: () => socket.write('kill\n' satisfies `${KeeperRequest}\n`),
  };
}

async function exitOf(socket: Socket): Promise<HostExit> {
  try {
    return exitSchema.parse(JSON.parse(await text(socket)));
  } catch {
    return { how: 'it has ended, or what keeps it has', refused: false };
  }
}
