import { closeSync, lstatSync, openSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { Guard } from '@infra-offload/guard';

const NAME = 'manager.lock.sock';
/** Longest wait for the holder to tell its pid. */
const ANSWER_MS = 1_000;
/** Attempts at a lock whose holder ends at the same time. */
const ATTEMPTS = 10;

type Holder =
  | { readonly kind: 'none' }
  /** The socket of a process that has ended. */
  | { readonly kind: 'stale'; readonly inode: bigint }
  /** `pid` is undefined if the process does not answer. */
  | { readonly kind: 'alive'; readonly pid: string | undefined };

/**
 * Makes a directory one process's: a Unix socket in it that the holder listens on. However the holder ends, the kernel
 * stops listening then, also where processes of different containers share the directory.
 */
export class DirectoryLock {
  readonly #server: Server;
  readonly #directoryFd: number;
  readonly #inode: bigint | undefined;

  private constructor(server: Server, directoryFd: number) {
    this.#server = server;
    this.#directoryFd = directoryFd;
    this.#inode = inodeOf(pathIn(directoryFd));
  }

  /** @throws Error telling the pid of the process that has it, or what the system says. */
  static async take(directory: string): Promise<DirectoryLock> {
    const fd = openSync(directory, 'r');
    try {
      const path = pathIn(fd);
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const server = await listen(path);
        if (server !== undefined) return new DirectoryLock(server, fd);
        const holder = await holderOf(path);
        if (holder.kind === 'alive') throw new Error(`in use by another manager (${describe(holder.pid)})`);
        if (holder.kind === 'stale' && inodeOf(path) === holder.inode) unlinkSync(path);
      }
      throw new Error('in use by another manager that is starting or stopping');
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** Whether it still locks what is at this path; somebody may have removed it. */
  isIntact(directory: string): boolean {
    return lstatSync(join(directory, NAME), { bigint: true, throwIfNoEntry: false })?.ino === this.#inode;
  }

  /** Gives the directory free, and removes the socket. */
  async release(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    closeSync(this.#directoryFd);
  }
}

/** A socket's path has 107 bytes at most, the directory's may have more. */
function pathIn(directoryFd: number): string {
  return `/proc/self/fd/${directoryFd}/${NAME}`;
}

function describe(pid: string | undefined): string {
  return pid === undefined ? 'which does not answer' : `pid ${pid}`;
}

/** Listens and tells everyone the pid; undefined if the path is taken. */
function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const tellPid = (socket: Socket): void => {
      socket.on('error', () => undefined);
      socket.end(String(process.pid));
    };
    const server = createServer(new Guard().handler(tellPid));
    server.unref();
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(path, () => resolve(server));
  });
}

function holderOf(path: string): Promise<Holder> {
  return new Promise((resolve, reject) => {
    const inode = inodeOf(path);
    if (inode === undefined) {
      resolve({ kind: 'none' });
      return;
    }
    let said = '';
    const socket = connect(path);
    socket.setTimeout(ANSWER_MS, () => {
      socket.destroy();
      resolve({ kind: 'alive', pid: undefined });
    });
    socket.on('data', (bytes) => {
      said += bytes.toString();
    });
    socket.on('end', () => resolve({ kind: 'alive', pid: said === '' ? undefined : said }));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') resolve({ kind: 'stale', inode });
      else if (error.code === 'ENOENT' || error.code === 'ECONNRESET') resolve({ kind: 'none' });
      else reject(error);
    });
  });
}

function inodeOf(path: string): bigint | undefined {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat !== undefined && !stat.isSocket()) throw new Error(`${NAME} is not a socket: remove it`);
  return stat?.ino;
}
