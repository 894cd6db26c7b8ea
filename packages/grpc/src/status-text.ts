/** What is put where a text was cut. */
const ELLIPSIS = '…';

/**
 * Bytes of a text as a `grpc-message` (gRPC over HTTP/2, "Status-Message"): as grpc-js sends it, with what
 * `encodeURI` does not let through in percent encoding. Half a surrogate pair counts as the U+FFFD that it becomes.
 */
export function encodedLength(text: string): number {
  let length = 0;
  for (const character of text) length += encodedSize(character);
  return length;
}

/**
 * A text that can be sent as a `grpc-message`: well-formed UTF-16, without which grpc-js throws, and cut at a character,
 * with an ellipsis, to at most `most` bytes in percent encoding.
 */
export function statusText(text: string, most: number): string {
  const room = most - encodedSize(ELLIPSIS);
  let length = 0;
  let end = 0;
  let cut = 0;
  for (const character of text) {
    length += encodedSize(character);
    end += character.length;
    if (length <= room) cut = end;
    if (length > most) return room < 0 ? '' : `${wellFormed(text.slice(0, cut))}${ELLIPSIS}`;
  }
  return wellFormed(text);
}

function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}

/** The marks that `encodeURI` leaves as they are, besides letters and digits. */
const PLAIN = new Set(";,/?:@&=+$-_.!~*'()#");

function encodedSize(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x80) return isAlphanumeric(code) || PLAIN.has(character) ? 1 : 3;
  if (code < 0x800) return 6;
  return code < 0x1_0000 ? 9 : 12;
}

function isAlphanumeric(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
}
