import { fail } from '../../errors.js';
import { decodeAnswer, encodeRequest, HEADER_BYTES, helloBody, Operation } from './protocol.js';
import type { ByteReader } from './wire.js';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0x8_0000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const MSG_NOSIGNAL = 0x4000;
/** Offset of the path in `struct sockaddr_un`, and its size. */
const SUN_PATH = 2;
const SUN_SIZE = 110;
/** Longer than anything swx-host does but a commit, which never goes through here. */
const TIMEOUT_S = 10;

type Fd = number;

interface MessageHeader {
  readonly msg_name: null;
  readonly msg_namelen: number;
  readonly msg_iov: { readonly iov_base: Uint8Array; readonly iov_len: number };
  readonly msg_iovlen: number;
  readonly msg_control: Uint8Array | null;
  readonly msg_controllen: number;
  readonly msg_flags: number;
}

interface Calls {
  socket(family: number, type: number, protocol: number): Fd;
  connect(fd: Fd, address: Uint8Array, length: number): number;
  setsockopt(fd: Fd, level: number, option: number, value: Uint8Array, length: number): number;
  read(fd: Fd, buffer: Uint8Array, length: number): number;
  sendmsg(fd: Fd, message: MessageHeader, flags: number): number;
  close(fd: Fd): number;
  errno(): string;
}

let calls: Promise<Calls> | undefined;

async function load(): Promise<Calls> {
  if (process.platform !== 'linux') fail('UNAVAILABLE', `DPDK needs Linux, this is ${process.platform}`);
  const { default: koffi } = await import('koffi');
  const library = koffi.load(null);
  koffi.struct('iovec', { iov_base: 'void *', iov_len: 'size_t' });
  koffi.struct('msghdr', {
    msg_name: 'void *',
    msg_namelen: 'uint32',
    msg_iov: 'iovec *',
    msg_iovlen: 'size_t',
    msg_control: 'void *',
    msg_controllen: 'size_t',
    msg_flags: 'int',
  });
  const names = new Map(Object.entries(koffi.os.errno).map(([name, value]) => [value, name]));
  return {
    socket: library.func('int socket(int domain, int type, int protocol)'),
    connect: library.func('int connect(int fd, const void *address, uint32 length)'),
    setsockopt: library.func(
      'int setsockopt(int fd, int level, int option, const void *value, uint32 length)',
    ),
    read: library.func('long read(int fd, void *buffer, unsigned long length)'),
    sendmsg: library.func('long sendmsg(int fd, const msghdr *message, int flags)'),
    close: library.func('int close(int fd)'),
    errno: () => names.get(koffi.errno()) ?? `errno ${koffi.errno()}`,
  };
}

/**
 * A connection to swx-host that waits for each answer, some 20 microseconds, for what has to be known at once:
 * counters, and ports. It can also hand descriptors over, which Node's sockets cannot.
 */
export class BlockingChannel {
  #sequence = 0;
  #fd: Fd;

  private constructor(
    private readonly calls: Calls,
    fd: Fd,
  ) {
    this.#fd = fd;
  }

  static async open(path: string): Promise<BlockingChannel> {
    calls ??= load();
    const library = await calls;
    const fd = library.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail('UNAVAILABLE', `cannot make a socket: ${library.errno()}`);
    const address = Buffer.alloc(SUN_SIZE);
    address.writeUInt16LE(AF_UNIX, 0);
    address.write(path, SUN_PATH, 'utf8');
    const timeout = Buffer.alloc(16);
    timeout.writeBigInt64LE(BigInt(TIMEOUT_S), 0);
    library.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, timeout, timeout.length);
    library.setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, timeout, timeout.length);
    if (library.connect(fd, address, SUN_SIZE) < 0) {
      const errno = library.errno();
      library.close(fd);
      fail('UNAVAILABLE', `cannot connect to swx-host: ${errno}`);
    }
    const channel = new BlockingChannel(library, fd);
    channel.request(Operation.HELLO, helloBody());
    return channel;
  }

  /** UNAVAILABLE if the connection is lost; what the host refuses, with its code. */
  request(operation: Operation, body: Uint8Array, descriptor?: Fd): ByteReader {
    if (this.#fd < 0) fail('UNAVAILABLE', 'the connection to swx-host is closed');
    this.#send(encodeRequest(this.#sequence++, operation, body), descriptor);
    const header = this.#read(HEADER_BYTES);
    const answer = this.#read(header.readUInt32LE(0) + 4 - HEADER_BYTES);
    return decodeAnswer(header.readUInt16LE(8), answer);
  }

  close(): void {
    if (this.#fd < 0) return;
    this.calls.close(this.#fd);
    this.#fd = -1;
  }

  #send(bytes: Uint8Array, descriptor: Fd | undefined): void {
    for (let sent = 0; sent < bytes.length; ) {
      const rest = bytes.subarray(sent);
      const control = sent === 0 && descriptor !== undefined ? rights(descriptor) : null;
      const written = this.calls.sendmsg(
        this.#fd,
        {
          msg_name: null,
          msg_namelen: 0,
          msg_iov: { iov_base: rest, iov_len: rest.length },
          msg_iovlen: 1,
          msg_control: control,
          msg_controllen: control?.length ?? 0,
          msg_flags: 0,
        },
        MSG_NOSIGNAL,
      );
      if (written >= 0) sent += written;
      else this.#checkInterrupted('send');
    }
  }

  #read(length: number): Buffer {
    const buffer = Buffer.alloc(length);
    for (let at = 0; at < length; ) {
      const count = this.calls.read(this.#fd, buffer.subarray(at), length - at);
      if (count > 0) at += count;
      else if (count === 0) this.#lost('it was closed');
      else this.#checkInterrupted('read');
    }
    return buffer;
  }

  /** With a timeout, even signals whose handlers restart calls interrupt them. */
  #checkInterrupted(what: string): void {
    const errno = this.calls.errno();
    if (errno !== 'EINTR') this.#lost(`${what}: ${errno}`);
  }

  #lost(why: string): never {
    this.close();
    fail('UNAVAILABLE', `the connection to swx-host is lost (${why}); it is being restarted`);
  }
}

/** A control message that carries one descriptor: `struct cmsghdr` and an int, padded. */
function rights(descriptor: Fd): Uint8Array {
  const control = Buffer.alloc(24);
  control.writeBigUInt64LE(20n, 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  control.writeInt32LE(descriptor, 16);
  return control;
}
