import { didYouMean } from '@infra-offload/base';
import { P4rtError } from './errors.js';

/** An UNKNOWN_NAME error with a hint. `what` reads like "table 'service' has no action". */
export function unknownName(
  what: string,
  name: string,
  choices: Iterable<string>,
): P4rtError<'UNKNOWN_NAME'> {
  const all = [...choices];
  return new P4rtError('UNKNOWN_NAME', `${what} '${name}'; ${didYouMean(name, all)}`, {
    details: { name, choices: all },
  });
}
