import { Guard } from '@infra-offload/guard';
import { fail } from '../errors.js';
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLIN,
  type Libc,
} from './libc.js';

/** `struct epoll_event` is packed on x86-64 alone. */
const EVENT_SIZE = process.arch === 'x64' ? 12 : 16;
const EVENT_DATA = process.arch === 'x64' ? 4 : 8;
const MAX_EVENTS = 256;
/** The wake descriptor's place among the tokens. */
const WAKE = 0xffff_ffff;
/**
 * How often the set is asked again without waiting once it has nothing more: the next packet is often only
 * microseconds away, and going to the waiting thread and back costs about 40.
 */
const IDLE_POLLS = 8;
/** Time in one go before other work of the process (gRPC) gets its turn. */
const SLICE_MS = 2;

/**
 * Waits for many descriptors at once: one epoll set, one thread that sleeps in it, and no work while nothing is ready.
 */
export class Poller {
  readonly #libc: Libc;
  readonly #epoll: number;
  readonly #wake: number;
  readonly #events = Buffer.alloc(MAX_EVENTS * EVENT_SIZE);
  #state: 'idle' | 'waiting' | 'draining' | 'closed' = 'idle';
  #closed: (() => void) | undefined;
  /** Nothing in here throws, but if it did, packets would still be waited for. */
  readonly #guard = new Guard(() => {
    if (!this.#isClosed()) this.#wait();
  });

  readonly #onReady: (token: number) => void;
  readonly #onFault: (error: unknown, token: number) => void;

  /**
   * @param onReady called for each ready descriptor with the token it was added with
   * @param onFault told of what `onReady` throws, which keeps nobody from the other descriptors
   */
  constructor(
    libc: Libc,
    onReady: (token: number) => void,
    onFault: (error: unknown, token: number) => void,
  ) {
    this.#libc = libc;
    this.#onReady = onReady;
    this.#onFault = onFault;
    this.#epoll = libc.epollCreate(EPOLL_CLOEXEC);
    this.#wake = libc.eventfd(EFD_NONBLOCK | EFD_CLOEXEC);
    if (this.#epoll < 0 || this.#wake < 0) fail('UNAVAILABLE', `cannot make an epoll set: ${libc.errno()}`);
    this.add(this.#wake, WAKE);
  }

  /** Watches `fd` until it can be read, or for other events; `token` is 0..2^32-2. */
  add(fd: number, token: number, events = EPOLLIN): void {
    this.#control(EPOLL_CTL_ADD, fd, token, events);
  }

  /** Watches `fd` for other events. */
  modify(fd: number, token: number, events: number): void {
    this.#control(EPOLL_CTL_MOD, fd, token, events);
  }

  /** Stops watching `fd`, which must still be open. */
  delete(fd: number): void {
    this.#libc.epollControl(this.#epoll, EPOLL_CTL_DEL, fd, Buffer.alloc(16));
  }

  start(): void {
    if (this.#state !== 'idle') return;
    // A process that exits waits for its threads, and so for ever if nothing wakes the one that waits for packets.
    process.once('exit', this.#wakeUp);
    this.#wait();
  }

  /** Ends the waiting thread and closes the set. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    const waiting = this.#state === 'waiting';
    this.#state = 'closed';
    process.off('exit', this.#wakeUp);
    if (waiting) {
      const ended = new Promise<void>((resolve) => {
        this.#closed = resolve;
      });
      this.#wakeUp();
      await ended;
    }
    this.#libc.close(this.#wake);
    this.#libc.close(this.#epoll);
  }

  #control(operation: number, fd: number, token: number, events: number): void {
    const event = Buffer.alloc(16);
    event.writeUInt32LE(events, 0);
    event.writeUInt32LE(token, EVENT_DATA);
    if (this.#libc.epollControl(this.#epoll, operation, fd, event) < 0) {
      fail('UNAVAILABLE', `cannot watch descriptor ${fd}: ${this.#libc.errno()}`);
    }
  }

  readonly #wakeUp = new Guard().handler(() => {
    const one = Buffer.alloc(8);
    one.writeUInt8(1, process.arch === 's390x' ? 7 : 0);
    this.#libc.write(this.#wake, one, 8);
  });

  #wait(): void {
    this.#state = 'waiting';
    this.#libc.epollWait(
      this.#epoll,
      this.#guard.handler(() => {
        if (this.#state === 'closed') this.#closed?.();
        else this.#drain();
      }),
    );
  }

  #drain(): void {
    this.#state = 'draining';
    const end = performance.now() + SLICE_MS;
    let empty = 0;
    while (empty < IDLE_POLLS) {
      const ready = this.#libc.epollPoll(this.#epoll, this.#events, MAX_EVENTS);
      if (ready <= 0) {
        empty++;
        continue;
      }
      empty = 0;
      for (let i = 0; i < ready; i++) this.#tell(this.#events.readUInt32LE(i * EVENT_SIZE + EVENT_DATA));
      if (this.#isClosed()) return;
      if (performance.now() > end) {
        setImmediate(
          this.#guard.handler(() => {
            if (!this.#isClosed()) this.#drain();
          }),
        );
        return;
      }
    }
    this.#wait();
  }

  #tell(token: number): void {
    try {
      this.#onReady(token);
    } catch (error) {
      this.#onFault(error, token);
    }
  }

  /** A handler may have closed the poller, which the compiler cannot see. */
  #isClosed(): boolean {
    return this.#state === 'closed';
  }
}
