import { generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { TlsCertsError } from './errors.js';

/** Sizes of RSA keys. 2048 bits are for tests: 3072 are what NIST wants from 2031 on. */
export const KEY_BITS = [2048, 3072, 4096] as const;
export type KeyBits = (typeof KEY_BITS)[number];

const generate = promisify(generateKeyPair);

/** Makes an RSA key outside of this thread. @throws TlsCertsError INVALID for another size */
export async function generateKey(bits: KeyBits): Promise<KeyObject> {
  if (!KEY_BITS.includes(bits)) {
    throw new TlsCertsError('INVALID', `RSA keys have ${KEY_BITS.join(', ')} bits here, not ${String(bits)}`);
  }
  const { privateKey } = await generate('rsa', { modulusLength: bits });
  return privateKey;
}
