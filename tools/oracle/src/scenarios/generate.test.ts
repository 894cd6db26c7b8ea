import { Random } from '@infra-offload/faults';
import { expect, it } from 'vitest';
import type { PodName, Scenario } from '../scenario.js';
import { randomScenario } from './generate.js';

const scenarios = (seed: number, count: number): Scenario[] => {
  const random = new Random(seed);
  return Array.from({ length: count }, (_, index) => randomScenario(random, `${index}`));
};

it('makes the same of the same seed', () => {
  expect(scenarios(1, 20)).toEqual(scenarios(1, 20));
  expect(scenarios(1, 20)).not.toEqual(scenarios(2, 20));
});

it('leaves nothing to chance', () => {
  for (const { endpoints: first, steps } of scenarios(5, 500)) {
    let endpoints: readonly PodName[] = first;
    let choices = 0;
    const flows = new Set<string>();
    for (const [index, step] of steps.entries()) {
      if (step.do === 'endpoints') endpoints = step.pods;
      if (step.do === 'open') {
        expect(flows).not.toContain(step.flow);
        flows.add(step.flow);
        if ('service' in step.to && step.to.port !== 'unserved' && endpoints.length > 1) {
          // Before anything else could tell the endpoints apart.
          expect([index, choices++]).toEqual([0, 0]);
          expect(endpoints).not.toContain(step.from);
        }
      } else if ('flow' in step) expect(flows).toContain(step.flow);
    }
  }
});

it('comes to everything', () => {
  const steps = scenarios(9, 500).flatMap((scenario) => scenario.steps);
  const kinds = new Set(steps.map((step) => step.do));
  expect([...kinds].sort()).toEqual(
    ['close', 'end', 'endpoints', 'open', 'policies', 'replace', 'reset', 'send', 'vanish'].sort(),
  );
});
