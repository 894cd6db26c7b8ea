/** Longest text from elsewhere in a message. */
const MAX_LENGTH = 400;

/** Controls, what breaks lines, what changes the direction of writing, what cannot be seen, and halves of characters. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;

/**
 * A text that somebody else chose, as it may be part of a message: one line of what can be seen, not too long.
 *
 * @param maxLength in UTF-16 units, before what cannot be shown is written as `\u{…}`
 */
export function printable(text: string, maxLength = MAX_LENGTH): string {
  const shown = text.slice(0, maxLength).replace(UNPRINTABLE, codePoint);
  return text.length > maxLength ? `${shown}… (${text.length} characters)` : shown;
}

function codePoint(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16)}}`;
}
