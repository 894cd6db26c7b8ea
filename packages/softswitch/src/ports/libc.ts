import { fail } from '../errors.js';

/** Linux constants, the same on every architecture that Node runs on. */
export const O_RDWR = 0x2;
export const O_NONBLOCK = 0x800;
export const O_CLOEXEC = 0x8_0000;
const F_DUPFD_CLOEXEC = 1030;
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;
export const EPOLL_CLOEXEC = 0x8_0000;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 0x1;
export const EPOLLOUT = 0x4;
export const EFD_NONBLOCK = 0x800;
export const EFD_CLOEXEC = 0x8_0000;
export const AF_INET = 2;
export const AF_NETLINK = 16;
export const SOCK_DGRAM = 2;
export const TUNSETIFF = 0x4004_54ca;
export const SIOCGIFFLAGS = 0x8913;
export const SIOCSIFFLAGS = 0x8914;
export const SIOCSIFMTU = 0x8922;
export const SIOCSIFHWADDR = 0x8924;
export const IFF_UP = 0x1;
export const IFF_TAP = 0x2;
export const IFF_NO_PI = 0x1000;
/** Refuses a name that exists, instead of attaching to somebody else's device. */
export const IFF_TUN_EXCL = 0x8000;
export const ARPHRD_ETHER = 1;
/** Size of `struct ifreq`. */
export const IFREQ_SIZE = 40;

type Fd = number;

/** The calls of the C library that TAP ports need. All return -1 on failure; then {@link errno} tells why. */
export interface Libc {
  open(path: string, flags: number): Fd;
  close(fd: Fd): number;
  /** Another descriptor for the same, closed on exec. */
  duplicate(fd: Fd): Fd;
  read(fd: Fd, buffer: Uint8Array, length: number): number;
  write(fd: Fd, buffer: Uint8Array, length: number): number;
  ioctl(fd: Fd, request: number, argument: Uint8Array): number;
  socket(family: number, type: number): Fd;
  epollCreate(flags: number): Fd;
  epollControl(epoll: Fd, operation: number, fd: Fd, event: Uint8Array): number;
  /** Returns at once. */
  epollPoll(epoll: Fd, events: Uint8Array, capacity: number): number;
  /** Waits on another thread until a descriptor is ready. Which one is left to {@link epollPoll}. */
  epollWait(epoll: Fd, done: () => void): void;
  eventfd(flags: number): Fd;
  /** Has this process killed when the one that started it ends. */
  dieWithParent(): void;
  errno(): string;
}

/** Loads the C library of this process. UNAVAILABLE where there is none to load (not Linux). */
export async function loadLibc(): Promise<Libc> {
  loaded ??= await load();
  return loaded;
}

/** The C library, if this process has it already; whoever has a descriptor does. */
export function loadedLibc(): Libc | undefined {
  return loaded;
}

let loaded: Libc | undefined;

async function load(): Promise<Libc> {
  if (process.platform !== 'linux') fail('UNAVAILABLE', `TAP ports need Linux, this is ${process.platform}`);
  const { default: koffi } = await import('koffi');
  const library = koffi.load(null);
  const names = new Map(Object.entries(koffi.os.errno).map(([name, value]) => [value, name]));
  // Some numbers have two names; this one is asked for by name.
  names.set(koffi.os.errno.EAGAIN ?? 11, 'EAGAIN');
  const epollWait = library.func('int epoll_wait(int epfd, void *events, int maxevents, int timeout)');
  const epollPoll: (epoll: Fd, events: Uint8Array, capacity: number, timeout: number) => number = epollWait;
  const open: (path: string, flags: number) => Fd = library.func('int open(const char *path, int flags)');
  const socket: (family: number, type: number, protocol: number) => Fd = library.func(
    'int socket(int domain, int type, int protocol)',
  );
  const eventfd: (initial: number, flags: number) => Fd = library.func(
    'int eventfd(unsigned int initval, int flags)',
  );
  const fcntl: (fd: Fd, command: number, argument: number) => Fd = library.func(
    'int fcntl(int fd, int command, int argument)',
  );
  const prctl: (option: number, argument: number) => number = library.func(
    'int prctl(int option, unsigned long argument)',
  );
  // The waiting call writes here, from its thread, for as long as the process lives.
  const ignored = Buffer.alloc(16);
  return {
    open,
    close: library.func('int close(int fd)'),
    duplicate: (fd) => fcntl(fd, F_DUPFD_CLOEXEC, 0),
    read: library.func('long read(int fd, void *buf, unsigned long count)'),
    write: library.func('long write(int fd, const void *buf, unsigned long count)'),
    ioctl: library.func('int ioctl(int fd, unsigned long request, void *argp)'),
    socket: (family, type) => socket(family, type, 0),
    epollCreate: library.func('int epoll_create1(int flags)'),
    epollControl: library.func('int epoll_ctl(int epfd, int op, int fd, void *event)'),
    epollPoll: (epoll, events, capacity) => epollPoll(epoll, events, capacity, 0),
    epollWait: (epoll, done) => epollWait.async(epoll, ignored, 1, -1, done),
    eventfd: (flags) => eventfd(0, flags),
    dieWithParent: () => {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
    },
    errno: () => names.get(koffi.errno()) ?? `errno ${koffi.errno()}`,
  };
}
