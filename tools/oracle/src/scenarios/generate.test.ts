import { Random } from '@infra-offload/faults';
import { expect, it } from 'vitest';
import { type Endpoint, EXTERNALS, OTHERS, POD_NAMES, type Scenario } from '../scenario.js';
import { randomScenario } from './generate.js';
import { usableEndpoints } from './usable-endpoints.js';

const scenarios = (seed: number, count: number): Scenario[] => {
  const random = new Random(seed);
  return Array.from({ length: count }, (_, index) => randomScenario(random, `${index}`));
};

it('makes the same of the same seed', () => {
  expect(scenarios(1, 20)).toEqual(scenarios(1, 20));
  expect(scenarios(1, 20)).not.toEqual(scenarios(2, 20));
});

it('leaves nothing to chance', () => {
  for (const { endpoints: first, service = {}, steps } of scenarios(5, 500)) {
    let endpoints: readonly Endpoint[] = first;
    let choices = 0;
    const flows = new Set<string>();
    for (const [index, step] of steps.entries()) {
      if (step.do === 'endpoints') endpoints = step.pods;
      if (step.do === 'open') {
        expect(flows).not.toContain(step.flow);
        flows.add(step.flow);
        if (!('service' in step.to) || step.to.port === 'unserved') continue;
        const usable = usableEndpoints(endpoints, service, step.from, step.to);
        if (usable.length < 2) continue;
        // Before anything else could tell the endpoints apart.
        expect([index, choices++]).toEqual([0, 0]);
        expect([...usable].sort()).toEqual(['web-1', 'web-2']);
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

it('reaches services from everywhere, at all their addresses, with all their settings', () => {
  const all = scenarios(9, 500);
  const seen = new Set<string | undefined>();
  for (const { service = {}, steps } of all) {
    for (const policy of [service.externalTrafficPolicy, service.internalTrafficPolicy])
      if (policy !== undefined) seen.add(policy);
    for (const source of service.sources ?? []) seen.add(`for ${source}`);
    for (const step of steps) {
      if (step.do === 'open')
        seen.add(step.from).add('service' in step.to ? step.to.at : `to ${step.to.pod}`);
      if (step.do === 'endpoints') for (const endpoint of step.pods) seen.add(endpoint);
    }
  }
  for (const wanted of [...POD_NAMES, ...OTHERS, ...EXTERNALS, 'Local', 'for outside', 'for node', 'to far'])
    expect(seen).toContain(wanted);
});
