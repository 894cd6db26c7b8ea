import type { DirectRoute } from '../kernel/direct-routes.js';
import type { NodeKernel } from '../kernel/node-kernel.js';
import type { KernelFacts } from '../kernel/ruleset.js';

/** Remembers what is wanted of it. */
export class FakeKernel implements NodeKernel {
  problem: string | undefined;
  facts: KernelFacts | undefined;
  routes: readonly DirectRoute[] = [];

  async keep(facts: KernelFacts, routes: readonly DirectRoute[]): Promise<void> {
    this.facts = facts;
    this.routes = routes;
  }
}
