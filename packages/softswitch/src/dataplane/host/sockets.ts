import { fail } from '../../errors.js';

/** Linux constants, the same on every architecture that Node runs on. */
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0x8_0000;
const SOCK_NONBLOCK = 0x800;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const SO_PEERCRED = 17;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
const LOCK_EX_NB = 6;
/** Offset of the path in `struct sockaddr_un`, and its size. */
const SUN_PATH = 2;
const SUN_SIZE = 110;
const BACKLOG = 128;
/** Bytes of `struct msghdr`, `struct iovec` and `struct cmsghdr` where pointers have 64 bits. */
const MSGHDR = 56;
const CMSGHDR = 16;
const RECEIVE_SIZE = 256 << 10;
/** Descriptors that may come at once; the kernel's own limit is 253. */
const DESCRIPTORS = 64;
const CONTROL_SIZE = CMSGHDR + DESCRIPTORS * 4;

type Fd = number;

export interface Received {
  /** Only valid until the next call; empty when the other side has closed. */
  readonly data: Buffer;
  readonly descriptors: readonly Fd[];
}

/** Unix stream sockets with what Node's do not have: descriptors on the way, and answers that are waited for. */
export interface Sockets {
  /** UNAVAILABLE if nobody listens. Each call on it waits for at most `timeoutMs`. */
  connect(path: string, timeoutMs: number): Fd;
  /** Listens, for this user only; the socket must not exist. UNAVAILABLE if it cannot. */
  listen(path: string): Fd;
  /** Undefined if nobody waits. Calls on what it gives do not wait. */
  accept(listener: Fd): Fd | undefined;
  /** Bytes that were sent; negative if none were, {@link errno} says why. A descriptor goes with the first of them. */
  send(fd: Fd, bytes: Uint8Array, descriptor?: Fd): number;
  /** Undefined if there is nothing, {@link errno} says why. */
  receive(fd: Fd): Received | undefined;
  /** Process at the other end. */
  peer(fd: Fd): number;
  /** Whether this process has the lock of a file from now on, until it closes it or ends. */
  lock(fd: Fd): boolean;
  close(fd: Fd): void;
  errno(): string;
}

let loaded: Sockets | undefined;

/** UNAVAILABLE where there are none (not Linux). */
export async function loadSockets(): Promise<Sockets> {
  loaded ??= await load();
  return loaded;
}

async function load(): Promise<Sockets> {
  if (process.platform !== 'linux')
    fail('UNAVAILABLE', `data plane processes need Linux, this is ${process.platform}`);
  const { default: koffi } = await import('koffi');
  const library = koffi.load(null);
  const call = {
    socket: library.func('int socket(int domain, int type, int protocol)'),
    connect: library.func('int connect(int fd, const void *address, uint32 length)'),
    bind: library.func('int bind(int fd, const void *address, uint32 length)'),
    listen: library.func('int listen(int fd, int backlog)'),
    accept: library.func('int accept4(int fd, void *address, void *length, int flags)'),
    setOption: library.func(
      'int setsockopt(int fd, int level, int option, const void *value, uint32 length)',
    ),
    getOption: library.func('int getsockopt(int fd, int level, int option, void *value, void *length)'),
    sendmsg: library.func('long sendmsg(int fd, const void *message, int flags)'),
    recvmsg: library.func('long recvmsg(int fd, void *message, int flags)'),
    send: library.func('long send(int fd, const void *bytes, unsigned long length, int flags)'),
    flock: library.func('int flock(int fd, int operation)'),
    umask: library.func('uint32 umask(uint32 mask)'),
    close: library.func('int close(int fd)'),
  };
  const names = new Map(Object.entries(koffi.os.errno).map(([name, value]) => [value, name]));
  names.set(koffi.os.errno.EAGAIN ?? 11, 'EAGAIN');
  const errno = (): string => names.get(koffi.errno()) ?? `errno ${koffi.errno()}`;

  /** Memory outside of V8's, which the kernel may be told the address of. */
  const allocate = (size: number): { address: bigint; bytes: Buffer } => {
    const memory = koffi.alloc('uint8', size);
    return { address: koffi.address(memory), bytes: Buffer.from(koffi.view(memory, size)) };
  };
  const buffer = allocate(RECEIVE_SIZE);
  const control = allocate(CONTROL_SIZE);
  const parts = allocate(16);
  const message = allocate(MSGHDR);
  /** Fills in `struct msghdr`, with the first bytes of the buffer and of the control part. */
  const describe = (length: number, controlLength: number): void => {
    parts.bytes.writeBigUInt64LE(buffer.address, 0);
    parts.bytes.writeBigUInt64LE(BigInt(length), 8);
    message.bytes.fill(0);
    message.bytes.writeBigUInt64LE(parts.address, 16);
    message.bytes.writeBigUInt64LE(1n, 24);
    message.bytes.writeBigUInt64LE(controlLength === 0 ? 0n : control.address, 32);
    message.bytes.writeBigUInt64LE(BigInt(controlLength), 40);
  };
  const makeSocket = (flags: number): Fd => {
    const fd: Fd = call.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd < 0) fail('UNAVAILABLE', `cannot make a socket: ${errno()}`);
    return fd;
  };
  const refuse = (fd: Fd, what: string): never => {
    const reason = errno();
    call.close(fd);
    return fail('UNAVAILABLE', `cannot ${what}: ${reason}`);
  };

  return {
    connect(path, timeoutMs) {
      const address = unixAddress(path);
      const fd = makeSocket(0);
      const timeout = Buffer.alloc(16);
      timeout.writeBigInt64LE(BigInt(Math.floor(timeoutMs / 1000)), 0);
      timeout.writeBigInt64LE(BigInt((timeoutMs % 1000) * 1000), 8);
      call.setOption(fd, SOL_SOCKET, SO_RCVTIMEO, timeout, timeout.length);
      call.setOption(fd, SOL_SOCKET, SO_SNDTIMEO, timeout, timeout.length);
      return call.connect(fd, address, SUN_SIZE) < 0 ? refuse(fd, `connect to ${path}`) : fd;
    },
    listen(path) {
      const address = unixAddress(path);
      const fd = makeSocket(SOCK_NONBLOCK);
      const mask: number = call.umask(0o177);
      const failed: boolean = call.bind(fd, address, SUN_SIZE) < 0 || call.listen(fd, BACKLOG) < 0;
      call.umask(mask);
      return failed ? refuse(fd, `listen on ${path}`) : fd;
    },
    accept(listener) {
      const fd: Fd = call.accept(listener, null, null, SOCK_CLOEXEC | SOCK_NONBLOCK);
      return fd < 0 ? undefined : fd;
    },
    send(fd, bytes, descriptor) {
      if (descriptor === undefined) return call.send(fd, bytes, bytes.length, MSG_NOSIGNAL);
      const length = Math.min(bytes.length, RECEIVE_SIZE);
      buffer.bytes.set(bytes.subarray(0, length));
      control.bytes.fill(0, 0, CMSGHDR + 8);
      control.bytes.writeBigUInt64LE(BigInt(CMSGHDR + 4), 0);
      control.bytes.writeInt32LE(SOL_SOCKET, 8);
      control.bytes.writeInt32LE(SCM_RIGHTS, 12);
      control.bytes.writeInt32LE(descriptor, CMSGHDR);
      describe(length, CMSGHDR + 8);
      return call.sendmsg(fd, message.bytes, MSG_NOSIGNAL);
    },
    receive(fd) {
      describe(RECEIVE_SIZE, CONTROL_SIZE);
      const length: number = call.recvmsg(fd, message.bytes, MSG_CMSG_CLOEXEC);
      if (length < 0) return undefined;
      const descriptors: Fd[] = [];
      const controlLength = Number(message.bytes.readBigUInt64LE(40));
      if (controlLength >= CMSGHDR && control.bytes.readInt32LE(12) === SCM_RIGHTS) {
        const end = Math.min(Number(control.bytes.readBigUInt64LE(0)), controlLength);
        for (let at = CMSGHDR; at + 4 <= end; at += 4) descriptors.push(control.bytes.readInt32LE(at));
      }
      return { data: buffer.bytes.subarray(0, length), descriptors };
    },
    peer(fd) {
      const credentials = Buffer.alloc(12);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(credentials.length);
      call.getOption(fd, SOL_SOCKET, SO_PEERCRED, credentials, length);
      return credentials.readInt32LE(0);
    },
    lock: (fd) => call.flock(fd, LOCK_EX_NB) === 0,
    close: (fd) => {
      call.close(fd);
    },
    errno,
  };
}

function unixAddress(path: string): Buffer {
  const address = Buffer.alloc(SUN_SIZE);
  address.writeUInt16LE(AF_UNIX, 0);
  if (Buffer.byteLength(path) >= SUN_SIZE - SUN_PATH)
    fail('INVALID_ARGUMENT', `the path of the socket is too long: ${path}`);
  address.write(path, SUN_PATH, 'utf8');
  return address;
}
