import type { Instruction, SpecAction } from '../spec.js';

/**
 * Tells the two meanings of `learn <action> m.<field>` apart, which needs the parameters of the action that is learned:
 * without any, the field is the timeout's index; else it is the first argument, as DPDK had it before 22.07, when
 * learners had one timeout.
 */
export function resolveLearns(actions: ReadonlyMap<string, SpecAction>): ReadonlyMap<string, SpecAction> {
  const resolve = (instruction: Instruction): Instruction => {
    if (instruction.op !== 'learn' || instruction.firstArgument !== undefined) return instruction;
    if (actions.get(instruction.action)?.args === undefined) return instruction;
    return { ...instruction, firstArgument: instruction.timeout, timeout: undefined };
  };
  return new Map(
    [...actions].map(([name, action]) => [
      name,
      { ...action, instructions: action.instructions.map(resolve) },
    ]),
  );
}
