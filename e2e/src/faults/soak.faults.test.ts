/** A long time under load, counted in changes. */
import { faultTest } from '@infra-offload/faults';
import { afterAll, beforeAll, expect } from 'vitest';
import { BusyNode } from './support/busy-node.js';

let node: BusyNode;
beforeAll(async () => {
  node = await BusyNode.start();
});
afterAll(() => node?.stop());

faultTest(
  {
    fault: 'services scale, pods are made and deleted, a policy is switched, again and again',
    promise: 'no connection dies, nothing grows; without pods the tables are empty again',
    sample: 30,
    most: 2_000,
  },
  async ({ cases, random }) => {
    const started = performance.now();
    for (let index = 0; index < cases; index++) {
      await node.change(random);
      if (index % 10 === 9) expect((await node.askConnections()).died).toBe(0);
    }
    await node.nothingIsLeft();
    expect((await node.askConnections()).died).toBe(0);
    await node.nothingIsLeftOfAnything();
    const seconds = (performance.now() - started) / 1000;
    return `${cases} changes in ${seconds.toFixed(0)} s, 0 connections died, nothing left over`;
  },
);
