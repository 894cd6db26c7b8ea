import { type Branded, rangeError, syntaxError } from './branded.js';

/** A MAC address as an unsigned number of 48 bits: `02:00:00:00:00:01` is 0x020000000001. */
export type Mac = Branded<number, 'Mac'>;

const TEXT = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/**
 * The address that a text or a number from 0 to 2^48 - 1 stands for.
 *
 * @throws {NetError} SYNTAX, RANGE
 */
export function mac(value: string | number | bigint): Mac {
  if (typeof value === 'string') {
    const address = parseMac(value);
    if (address === undefined) throw syntaxError(value, 'a MAC address');
    return address;
  }
  const number = Number(value);
  if (!isUint48(number)) throw rangeError(value, 'a MAC address of 48 bits');
  return number;
}

/** Reads six pairs of hexadecimal digits in either case with colons between them; undefined if it is anything else. */
export function parseMac(text: string): Mac | undefined {
  return TEXT.test(text) ? mac(Number.parseInt(text.replaceAll(':', ''), 16)) : undefined;
}

export function formatMac(address: Mac): string {
  return address
    .toString(16)
    .padStart(12, '0')
    .replace(/..(?!$)/g, '$&:');
}

/** Whether a MAC address may be that of one interface: not multicast, not zero. */
export function isUnicastMac(address: Mac): boolean {
  return address !== 0 && Math.floor(address / 2 ** 40) % 2 === 0;
}

function isUint48(value: number): value is Mac {
  return Number.isInteger(value) && value >= 0 && value < 2 ** 48;
}
