import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GnmiClient } from '@infra-offload/p4rt';
import { Softswitch, TapPorts } from '@infra-offload/softswitch';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { outcomesOf } from '../testing/outcomes.js';
import { Journal } from './journal.js';
import { commsChannelStep } from './node-steps.js';
import { type Step, setUp, undo } from './step.js';
import { portMtuStep, targetPortsStep } from './target-ports.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infra-offload-setup-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const go = (how: typeof setUp | typeof undo, steps: readonly Step[]) =>
  outcomesOf(how, steps, Journal.open(join(directory, 'journal/node.json')));

describe('the communication channel', () => {
  const name = `is${randomBytes(3).toString('hex')}`;
  beforeEach(() => execFileSync('ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}p`]));
  afterEach(() => execFileSync('ip', ['link', 'delete', name]));
  const cidr = '10.78.0.1/16';

  it('gets its address, once, and loses it again', async () => {
    const step = () => commsChannelStep(name, cidr);
    const addresses = () => execFileSync('ip', ['-4', 'address', 'show', 'dev', name], { encoding: 'utf8' });
    expect((await go(setUp, [step()])).reports).toEqual([`done communication channel: ${cidr} on ${name}`]);
    expect((await go(setUp, [step()])).reports).toEqual([`ok communication channel: ${cidr} on ${name}`]);
    expect(addresses()).toContain(cidr);
    expect((await go(undo, [step()])).reports).toEqual([
      `undone communication channel: ${cidr} removed from ${name}`,
    ]);
    expect(addresses()).not.toContain(cidr);
    expect((await go(undo, [step()])).reports).toEqual(['nothing to undo communication channel: ']);
  });
});

it('ports of a target are made in order where they are missing, with their MTU', async () => {
  const prefix = `s${randomBytes(3).toString('hex')}_`;
  const softswitch = await Softswitch.start({
    p4runtimeAddress: '127.0.0.1:0',
    gnmiAddress: '127.0.0.1:0',
    ports: await TapPorts.open({ prefix, count: 0 }),
  });
  const gnmi = GnmiClient.connect({ address: softswitch.gnmiAddress });
  try {
    const ports = { gnmi, prefix, count: 4, mtu: 1400 };
    const steps = (mtu: number) => [targetPortsStep(ports), portMtuStep({ ...ports, mtu })];
    expect((await go(setUp, steps(1400))).reports[0]).toBe(
      `done ports of the target: created ${prefix}0, ${prefix}1, ${prefix}2, ${prefix}3; they disappear with the target`,
    );
    expect((await go(setUp, steps(1280))).reports).toEqual([
      `ok ports of the target: 4, ${prefix}0 to ${prefix}3`,
      `done MTU of the ports: 1280 on ${prefix}0, ${prefix}1, ${prefix}2, ${prefix}3`,
    ]);
    expect((await go(setUp, steps(1280))).reports.at(-1)).toBe('ok MTU of the ports: 1280');
  } finally {
    gnmi.close();
    await softswitch.stop();
  }
});
