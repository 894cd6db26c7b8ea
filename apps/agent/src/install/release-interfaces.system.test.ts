import { afterEach, beforeEach, expect, it } from 'vitest';
import { outputOf } from '../interfaces/command-output.js';
import { setUpHostInterface } from '../interfaces/host-interface.js';
import { TestNetwork } from '../testing/network.js';
import { releaseHostInterface } from './release-interfaces.js';

let network: TestNetwork;
beforeEach(() => {
  network = new TestNetwork();
});
afterEach(() => network.cleanUp());

it('leaves nothing of what the agent gave to the interface of the node', async () => {
  network.addTaps(1);
  const name = `${network.prefix}0`;
  const byte = Number.parseInt(network.id.slice(0, 2), 16);
  await setUpHostInterface({
    name,
    mtu: 1500,
    isTap: true,
    addresses: [`172.30.${byte}.1`],
    cidrs: [`10.81.${byte}.0/24`],
  });
  const traces = async () =>
    (
      await Promise.all([
        outputOf('ip', ['-4', 'route', 'show', 'table', 'all', 'dev', name]),
        outputOf('ip', ['-4', 'address', 'show', 'dev', name]),
        outputOf('ip', ['-4', 'neighbour', 'show', 'dev', name, 'nud', 'all']),
      ])
    ).join('');
  expect(await traces()).toContain('169.254.1.1');
  expect(await releaseHostInterface(name)).toBe(true);
  expect((await traces()).trim()).toBe('');
});

it('is content with an interface that is gone', async () => {
  expect(await releaseHostInterface('gone0')).toBe(false);
});
