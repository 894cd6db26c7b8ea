import { typedError } from '@infra-offload/base';

declare const brand: unique symbol;

/** A `Base` of which the compiler knows what it means, so that none passes for another. It costs nothing at run time. */
export type Branded<Base, Meaning extends string> = Base & { readonly [brand]: Meaning };

/** A value that is no address, or a length that no prefix has. */
export class NetError extends typedError<'SYNTAX' | 'RANGE', { readonly value?: string | number | bigint }>(
  'NetError',
) {}

export function syntaxError(value: string, expected: string): NetError {
  return new NetError('SYNTAX', `'${value}' is not ${expected}`, { details: { value } });
}

export function rangeError(value: number | bigint, expected: string): NetError {
  return new NetError('RANGE', `${value} is not ${expected}`, { details: { value } });
}
