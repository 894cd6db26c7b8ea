import { fail } from '../errors.js';
import { stopAddressGeneration } from './address-generation.js';
import {
  AF_INET,
  ARPHRD_ETHER,
  IFF_NO_PI,
  IFF_TAP,
  IFF_TUN_EXCL,
  IFF_UP,
  IFREQ_SIZE,
  type Libc,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDWR,
  SIOCGIFFLAGS,
  SIOCSIFFLAGS,
  SIOCSIFHWADDR,
  SIOCSIFMTU,
  SOCK_DGRAM,
  TUNSETIFF,
} from './libc.js';
import type { PortInfo } from './provider.js';

/** Offset of the union in `struct ifreq`, behind the name. */
const IFREQ_DATA = 16;

/**
 * Makes the TAP device of a port in the network namespace of this process, with its MAC address and MTU, without
 * IPv6 addresses, and brings it up. The device lives as long as the returned descriptor is open, wherever it is moved to.
 * UNAVAILABLE or ALREADY_EXISTS, with what to do about it.
 */
export function openTap(libc: Libc, port: PortInfo): number {
  const fd = libc.open('/dev/net/tun', O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) fail('UNAVAILABLE', `cannot open /dev/net/tun: ${explain(libc.errno())}`);
  const control = libc.socket(AF_INET, SOCK_DGRAM | O_CLOEXEC);
  try {
    const request = ifreq(port.name);
    request.writeUInt16LE(IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL, IFREQ_DATA);
    if (libc.ioctl(fd, TUNSETIFF, request) < 0) {
      const errno = libc.errno();
      if (errno === 'EBUSY' || errno === 'EEXIST') {
        fail('ALREADY_EXISTS', `cannot make TAP ${port.name}: an interface of that name exists already`);
      }
      fail('UNAVAILABLE', `cannot make TAP ${port.name}: ${explain(errno)}`);
    }
    configure(libc, control, port);
    return fd;
  } catch (error) {
    libc.close(fd);
    throw error;
  } finally {
    libc.close(control);
  }
}

function configure(libc: Libc, control: number, port: PortInfo): void {
  const check = (result: number, what: string): void => {
    if (result < 0) fail('UNAVAILABLE', `TAP ${port.name}: cannot set ${what}: ${explain(libc.errno())}`);
  };
  const address = ifreq(port.name);
  address.writeUInt16LE(ARPHRD_ETHER, IFREQ_DATA);
  for (const [i, octet] of port.mac.split(':').entries()) {
    address.writeUInt8(Number.parseInt(octet, 16), IFREQ_DATA + 2 + i);
  }
  check(libc.ioctl(control, SIOCSIFHWADDR, address), `the MAC address ${port.mac}`);

  const mtu = ifreq(port.name);
  mtu.writeInt32LE(port.mtu, IFREQ_DATA);
  check(libc.ioctl(control, SIOCSIFMTU, mtu), `the MTU ${port.mtu}`);

  // The ports of a switch have no addresses, and the kernel would send into the data plane because of them.
  const errno = stopAddressGeneration(libc, port.name);
  if (errno !== undefined)
    fail('UNAVAILABLE', `TAP ${port.name}: cannot do without IPv6 addresses: ${explain(errno)}`);

  const flags = ifreq(port.name);
  check(libc.ioctl(control, SIOCGIFFLAGS, flags), 'the link up');
  flags.writeUInt16LE(flags.readUInt16LE(IFREQ_DATA) | IFF_UP, IFREQ_DATA);
  check(libc.ioctl(control, SIOCSIFFLAGS, flags), 'the link up');
}

function ifreq(name: string): Buffer {
  const request = Buffer.alloc(IFREQ_SIZE);
  request.write(name, 'ascii');
  return request;
}

function explain(errno: string): string {
  switch (errno) {
    case 'ENOENT':
    case 'ENODEV':
    case 'ENXIO':
      return `${errno}: the kernel has no TUN/TAP support here (modprobe tun, or give the container the device)`;
    case 'EPERM':
    case 'EACCES':
      return `${errno}: TAP devices need root or CAP_NET_ADMIN`;
    default:
      return errno;
  }
}
