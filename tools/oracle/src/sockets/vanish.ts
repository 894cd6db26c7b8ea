import type { Socket } from 'node:net';
import { PROTOCOL_NUMBERS } from '@infra-offload/net';
import koffi from 'koffi';

const IPPROTO_TCP = PROTOCOL_NUMBERS.TCP;
const TCP_REPAIR = 19;

const setsockopt: (fd: number, level: number, name: number, value: Uint8Array, size: number) => number = koffi
  .load(null)
  .func('int setsockopt(int fd, int level, int name, const void *value, unsigned int size)');

/** Closes a TCP socket in the kernel's repair mode: it is gone, and no packet says so. Needs CAP_NET_ADMIN. */
export function vanish(socket: Socket): void {
  const on = Buffer.alloc(4);
  on.writeInt32LE(1);
  if (setsockopt(fileDescriptor(socket), IPPROTO_TCP, TCP_REPAIR, on, on.length) < 0)
    throw new Error(`TCP_REPAIR: errno ${koffi.errno()}`);
  socket.destroy();
}

function fileDescriptor(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  if (typeof fd !== 'number' || fd < 0) throw new Error('the socket has no file descriptor');
  return fd;
}
