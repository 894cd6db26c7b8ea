import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const source = fileURLToPath(new URL('process.ts', import.meta.url));

interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

/** Runs a program that logs with `log`; sends it signals once it has said `ready`. */
async function run(body: string, ...signals: NodeJS.Signals[]): Promise<Ended> {
  const script = `
    import { endOnUncaught, stopOnSignals } from ${JSON.stringify(source)};
    const write = (fields, message) =>
      process.stdout.write(message + ' ' + JSON.stringify(fields, (_, value) => value instanceof Error ? value.message : value) + '\\n');
    const log = { info: write, fatal: write };
    const report = (err, message) => write({ err }, message);
    ${body}
    setInterval(() => {}, 1_000);
    console.log('ready');`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stdout.on('data', (chunk: Buffer) => {
    const wasReady = output.includes('ready');
    output += chunk.toString();
    if (!wasReady && output.includes('ready')) for (const signal of signals) child.kill(signal);
  });
  return new Promise((resolve) => {
    child.once('close', (status, signal) => resolve({ status, signal, output }));
  });
}

describe('endOnUncaught', () => {
  it.each([
    ['an exception', `setImmediate(() => { throw new Error('cause'); });`],
    ['a rejection', `Promise.reject(new Error('cause'));`],
  ])('ends the process after %s, with one line', async (_, fault) => {
    const { status, output } = await run(`endOnUncaught(report); ${fault}`);
    expect(status).toBe(1);
    expect(output.match(/the process ends \{"err":"cause"\}/g)).toHaveLength(1);
  });

  it('ends it even if nothing can be logged', async () => {
    const { status } = await run(
      `endOnUncaught(() => { throw new Error('no'); }); setImmediate(() => { throw new Error('cause'); });`,
    );
    expect(status).toBe(1);
  });

  it('leaves a process that cannot end to signals', async () => {
    const { status, signal } = await run(
      `endOnUncaught(report); stopOnSignals(async () => {}, log);
       process.on('exit', () => { console.log('ready'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); });
       throw new Error('cause');`,
      'SIGTERM',
    );
    expect([status, signal]).toEqual([null, 'SIGTERM']);
  });
});

describe('stopOnSignals', () => {
  it('stops in order', async () => {
    const { status, output } = await run(
      `stopOnSignals(async () => { console.log('stopped'); }, log);`,
      'SIGTERM',
    );
    expect(status).toBe(0);
    expect(output).toMatch(/stopping \{"signal":"SIGTERM"\}\nstopped/);
  });

  it('says why it could not', async () => {
    const { status, output } = await run(
      `stopOnSignals(async () => { throw new Error('cause'); }, log);`,
      'SIGINT',
    );
    expect(status).toBe(1);
    expect(output).toMatch(/could not stop cleanly \{"err":"cause"\}/);
  });
});
