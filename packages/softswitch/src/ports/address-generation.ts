import { getSystemErrorName } from 'node:util';
import { AF_NETLINK, type Libc, O_CLOEXEC, O_NONBLOCK, SOCK_DGRAM } from './libc.js';

const AF_INET6 = 10;
const RTM_NEWLINK = 16;
const NLMSG_ERROR = 2;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
/** Sizes of `struct nlmsghdr` and `struct ifinfomsg`. */
const HEADER_SIZE = 16;
const INFO_SIZE = 16;
const ATTRIBUTE_HEADER_SIZE = 4;
const NLA_F_NESTED = 0x8000;
const IFLA_IFNAME = 3;
const IFLA_AF_SPEC = 26;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IN6_ADDR_GEN_MODE_NONE = 1;
const MAX_REPLY_SIZE = 1024;

/**
 * Keeps the kernel from giving a link an IPv6 address of its own, for which it would send packets as soon as the link is up
 * (`ip link set dev … addrgenmode none`).
 *
 * @returns the errno's name if that fails; undefined if there is no IPv6 on the link, either.
 */
export function stopAddressGeneration(libc: Libc, name: string): string | undefined {
  const socket = libc.socket(AF_NETLINK, SOCK_DGRAM | O_CLOEXEC | O_NONBLOCK);
  if (socket < 0) return libc.errno();
  try {
    const request = message(name);
    if (libc.write(socket, request, request.length) < 0) return libc.errno();
    // The kernel has answered before write returns.
    const reply = Buffer.alloc(MAX_REPLY_SIZE);
    if (libc.read(socket, reply, reply.length) < 0) return libc.errno();
    if (reply.readUInt16LE(4) !== NLMSG_ERROR) return 'EBADMSG';
    const error = reply.readInt32LE(HEADER_SIZE);
    const errno = error === 0 ? undefined : getSystemErrorName(error);
    return errno === 'EAFNOSUPPORT' ? undefined : errno;
  } finally {
    libc.close(socket);
  }
}

/** Of the link with that name, whatever its index and its flags. */
function message(name: string): Buffer {
  const mode = attribute(IFLA_INET6_ADDR_GEN_MODE, Buffer.from([IN6_ADDR_GEN_MODE_NONE]));
  const ofFamily = attribute(AF_INET6 | NLA_F_NESTED, mode);
  const body = Buffer.concat([
    Buffer.alloc(INFO_SIZE),
    attribute(IFLA_IFNAME, Buffer.from(`${name}\0`, 'ascii')),
    attribute(IFLA_AF_SPEC | NLA_F_NESTED, ofFamily),
  ]);
  const header = Buffer.alloc(HEADER_SIZE);
  header.writeUInt32LE(HEADER_SIZE + body.length, 0);
  header.writeUInt16LE(RTM_NEWLINK, 4);
  header.writeUInt16LE(NLM_F_REQUEST | NLM_F_ACK, 6);
  return Buffer.concat([header, body]);
}

/** Its length does not count what fills it up to a multiple of four bytes. */
function attribute(type: number, value: Buffer): Buffer {
  const length = ATTRIBUTE_HEADER_SIZE + value.length;
  const bytes = Buffer.alloc(Math.ceil(length / 4) * 4);
  bytes.writeUInt16LE(length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, ATTRIBUTE_HEADER_SIZE);
  return bytes;
}
