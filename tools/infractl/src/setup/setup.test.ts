import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GnmiClient } from '@infra-offload/p4rt';
import { createTree } from '@infra-offload/tls-certs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { outcomesOf } from '../testing/outcomes.js';
import { Journal } from './journal.js';
import { certificatesStep, filesStep, hugePagesStep, interfaceStep, listenerStep } from './node-steps.js';
import { type Step, setUp, undo } from './step.js';
import { targetPortsStep } from './target-ports.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infra-offload-setup-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const go = (how: typeof setUp | typeof undo, steps: readonly Step[]) =>
  outcomesOf(how, steps, Journal.open(join(directory, 'journal/node.json')));

describe('steps', () => {
  it('are done in order, up to the first that fails, and again from the start', async () => {
    const made = new Set<string>();
    let isBroken = true;
    const step = (name: string): Step => ({
      name,
      check: async () => (made.has(name) ? 'there' : undefined),
      async apply() {
        if (name === 'two' && isBroken) throw new Error('no\nluck');
        made.add(name);
        return 'made';
      },
      async undo() {
        return made.delete(name) ? 'gone' : undefined;
      },
    });
    const steps = ['one', 'two', 'three'].map(step);
    expect(await go(setUp, steps)).toEqual({
      ok: false,
      reports: ['done one: made', 'failed two: no luck'],
    });
    isBroken = false;
    expect(await go(setUp, steps)).toEqual({
      ok: true,
      reports: ['ok one: there', 'done two: made', 'done three: made'],
    });
    made.delete('two');
    expect(await go(undo, steps)).toEqual({
      ok: true,
      reports: ['undone three: gone', 'nothing to undo two: ', 'undone one: gone'],
    });
  });

  it('say when they can only be checked, and fail', async () => {
    expect(await go(setUp, [interfaceStep('gone0', 'physical function')])).toEqual({
      ok: false,
      reports: ['failed physical function: there is no interface gone0'],
    });
    expect((await go(setUp, [filesStep('package', ['/gone/x'], 'Get it.')])).reports).toEqual([
      'failed package: /gone/x: no such file. Get it.',
    ]);
  });
});

describe('huge pages', () => {
  it('are as many as asked for, and as before after undo, however often it was set up', async () => {
    const file = join(directory, 'nr_hugepages');
    writeFileSync(file, '16\n');
    expect((await go(setUp, [hugePagesStep(64, file)])).reports).toEqual([
      'done huge pages: 64 of 2 MB instead of 16',
    ]);
    expect((await go(setUp, [hugePagesStep(32, file)])).reports).toEqual(['ok huge pages: 64 of 2 MB']);
    await go(setUp, [hugePagesStep(128, file)]);
    expect((await go(undo, [hugePagesStep(128, file)])).reports).toEqual([
      'undone huge pages: back to 16 of 2 MB',
    ]);
    expect(readFileSync(file, 'utf8')).toBe('16');
    expect(existsSync(join(directory, 'journal/node.json'))).toBe(false);
  });

  it('that the kernel does not have are a failure with what helps', async () => {
    const { reports } = await go(setUp, [hugePagesStep(4, join(directory, 'none'))]);
    expect(reports[0]).toMatch(/^failed huge pages: this kernel has no huge pages of 2 MB .*--huge-pages 0$/);
  });
});

describe('certificates', () => {
  it('may be anywhere, and each problem is told', async () => {
    const tree = join(directory, 'any where/certs');
    await createTree(tree, { bits: 2048 });
    const { ok, reports } = await go(setUp, [certificatesStep(join(tree, 'infrap4d'))]);
    expect(ok, reports.join()).toBe(true);
    expect(reports[0]).toMatch(/^ok certificates: \d+ in .*infrap4d are in order, for \d+ days$/);
    const file = join(tree, 'infrap4d/stratum.crt');
    writeFileSync(file, readFileSync(file, 'utf8').replace(/A/g, 'B'));
    expect((await go(setUp, [certificatesStep(join(tree, 'infrap4d'))])).reports[0]).toContain(
      'stratum.crt: ',
    );
    expect((await go(setUp, [certificatesStep(join(tree, 'gone'))])).reports[0]).toMatch(
      /^failed certificates: /,
    );
  });
});

describe('a listener', () => {
  it('is found, or not, with what helps', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const step = listenerStep('target', `127.0.0.1:${port}`, 'Start it.');
    expect((await go(setUp, [step])).ok).toBe(true);
    await new Promise((resolve) => server.close(resolve));
    expect((await go(setUp, [step])).reports[0]).toMatch(/^failed target: 127.*ECONNREFUSED.*\. Start it\.$/);
  });
});

describe('ports of a target', () => {
  it('cannot be made where nobody answers', async () => {
    const gnmi = GnmiClient.connect({ address: '127.0.0.1:1', deadlineMs: 2_000 });
    const { reports } = await go(setUp, [targetPortsStep({ gnmi, prefix: 'X', count: 2, mtu: 1500 })]);
    gnmi.close();
    expect(reports[0]).toMatch(/^failed ports of the target: gNMI of the target at 127\.0\.0\.1:1: /);
  });
});
