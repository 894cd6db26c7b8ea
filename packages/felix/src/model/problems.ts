import type { Condition, FelixReason } from '@infra-offload/infra-api';

/** Something that an object of the wire cannot carry. */
export interface Problem {
  readonly reason: FelixReason;
  readonly message: string;
}

/** Of many problems with one reason so many are told in words. */
const MAX_TOLD = 3;

/** One condition for each reason. */
export function conditionsOf(problems: readonly Problem[]): Condition[] {
  const byReason = new Map<string, string[]>();
  for (const { reason, message } of problems) {
    const messages = byReason.get(reason) ?? [];
    messages.push(message);
    byReason.set(reason, messages);
  }
  return [...byReason].map(([reason, messages]) => {
    const more = messages.length - MAX_TOLD;
    const told = messages.slice(0, MAX_TOLD).join('; ');
    return { reason, message: more > 0 ? `${told}; and ${more} more` : told };
  });
}
