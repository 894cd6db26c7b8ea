import type { SwxSpec } from '../spec.js';
import { semanticError } from './lexer.js';

/** A limit of this engine: half a gigabyte of registers and meters, in all arrays together. */
export const MAX_ARRAY_SIZE = 2 ** 26;
/** A limit of this engine: all headers together, of which there is room for two copies with each packet. */
const MAX_HEADER_BYTES = 2 ** 20;

/** What each declaration may have does not tell what all of them have. */
export function checkSizes({ registers, meters, headers, file }: SwxSpec): void {
  let cells = 0;
  for (const { name, line, size } of [...registers.values(), ...meters.values()]) {
    // As the engine has them: powers of two.
    cells += 2 ** Math.ceil(Math.log2(size));
    if (cells > MAX_ARRAY_SIZE) {
      const message = `register and meter arrays have more than ${MAX_ARRAY_SIZE} cells in all`;
      throw semanticError(file, line, message, name);
    }
  }
  let bytes = 0;
  for (const { name, line, struct } of headers.values()) {
    bytes += struct.bytes;
    if (bytes > MAX_HEADER_BYTES) {
      throw semanticError(file, line, `headers have more than ${MAX_HEADER_BYTES} bytes in all`, name);
    }
  }
}
