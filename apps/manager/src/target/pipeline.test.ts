import { P4rtError } from '@infra-offload/p4rt';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createLoggers } from '../log.js';
import { coreDriver } from '../testing/core.js';
import { ensurePipeline, pipelineCookie, runsPipeline } from './pipeline.js';

const logger = createLoggers({ level: 'silent', modules: {} }).target;
const cookie = pipelineCookie(coreDriver);
const { p4info } = coreDriver.program;
const another = { ...p4info, pkgInfo: { ...p4info.pkgInfo, name: 'another' } } as typeof p4info;

type Session = Parameters<typeof ensurePipeline>[0];
type Current = Awaited<ReturnType<Session['getPipeline']>>;

/** A device that runs `current`, or fails with it, and notes what is done to it. */
function device(current: Current | P4rtError, reconciled: 'RECONCILE_AND_COMMIT' | 'VERIFY_AND_COMMIT') {
  const done: string[] = [];
  const session: Session = {
    getPipeline: async (parts) => {
      done.push(`get ${parts}`);
      if (current instanceof Error) throw current;
      return current;
    },
    setPipeline: async (program, config, options) => {
      expect([program, config, options?.cookie]).toEqual([
        coreDriver.program,
        coreDriver.deviceConfig,
        cookie,
      ]);
      done.push(`set ${options?.action}`);
    },
    reconcilePipeline: async (program, config, options) => {
      expect([program, config, options?.cookie]).toEqual([
        coreDriver.program,
        coreDriver.deviceConfig,
        cookie,
      ]);
      done.push('reconcile');
      return reconciled;
    },
  };
  return { session, done };
}

const failure = (code: 'NOT_FOUND' | 'FAILED_PRECONDITION' | 'UNAVAILABLE') =>
  new P4rtError(code, 'said the target', {
    details: { address: 'x', method: 'Get', grpcCode: 2, serverMessage: '' },
  });
const GET = 'get P4INFO_AND_COOKIE';

afterEach(() => vi.restoreAllMocks());

describe('the pipeline of a device', () => {
  it.each<[string, Current | P4rtError, string, readonly string[]]>([
    ['is left alone if it is ours', { cookie, p4info }, 'kept', [GET]],
    ['is known by its cookie, whatever else the device tells', { cookie }, 'kept', [GET]],
    [
      'is committed where there is none',
      failure('NOT_FOUND'),
      'VERIFY_AND_COMMIT',
      [GET, 'set VERIFY_AND_COMMIT'],
    ],
    [
      'is committed where the device says that it was never set',
      failure('FAILED_PRECONDITION'),
      'VERIFY_AND_COMMIT',
      [GET, 'set VERIFY_AND_COMMIT'],
    ],
    [
      'is replaced if it is of another program',
      { cookie: 1n, p4info: another },
      'VERIFY_AND_COMMIT',
      [GET, 'set VERIFY_AND_COMMIT'],
    ],
    [
      'is reconciled if it is of another build',
      { cookie: 1n, p4info },
      'RECONCILE_AND_COMMIT',
      [GET, 'reconcile'],
    ],
  ])('%s', async (_, current, result, done) => {
    const made = device(current, 'RECONCILE_AND_COMMIT');
    expect(await ensurePipeline(made.session, coreDriver, logger)).toBe(result);
    expect(made.done).toEqual(done);
  });

  it('is said to be new where the target cannot reconcile, with a warning that its entries are gone', async () => {
    const warnings = vi.spyOn(logger, 'warn');
    const { session } = device({ cookie: 1n, p4info }, 'VERIFY_AND_COMMIT');
    expect(await ensurePipeline(session, coreDriver, logger)).toBe('VERIFY_AND_COMMIT');
    expect(warnings.mock.calls).toEqual([[expect.stringContaining('without its entries')]]);
    warnings.mockClear();
    await ensurePipeline(device({ cookie: 1n, p4info }, 'RECONCILE_AND_COMMIT').session, coreDriver, logger);
    expect(warnings).not.toHaveBeenCalled();
  });

  it('that is replaced is named in the log, as far as it is known', async () => {
    const lines = vi.spyOn(logger, 'info');
    for (const current of [undefined, { cookie: 1n, p4info: another }, { cookie: 1n }])
      await ensurePipeline(device(current, 'RECONCILE_AND_COMMIT').session, coreDriver, logger);
    const was = (name: string) => [expect.objectContaining({ was: name }), 'committing the pipeline'];
    expect(lines.mock.calls).toEqual([was('none'), was('another'), was('another program')]);
  });

  it('is not touched if the device cannot be asked', async () => {
    const { session, done } = device(failure('UNAVAILABLE'), 'RECONCILE_AND_COMMIT');
    await expect(ensurePipeline(session, coreDriver, logger)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(runsPipeline(session, coreDriver)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(done).toEqual([GET, GET]);
  });

  it('is ours or not by its cookie', async () => {
    const runs = (current: Current | P4rtError) =>
      runsPipeline(device(current, 'RECONCILE_AND_COMMIT').session, coreDriver);
    expect(await runs({ cookie })).toBe(true);
    expect(await runs({ cookie: cookie + 2n, p4info })).toBe(false);
    expect(await runs(failure('NOT_FOUND'))).toBe(false);
  });
});

it('a cookie is a positive number of 63 bits that differs with program and device config', () => {
  expect(cookie % 2n).toBe(1n);
  expect(cookie).toBeLessThan(2n ** 63n);
  expect(cookie).toBeGreaterThan(2n ** 40n);
  expect(pipelineCookie({ ...coreDriver, deviceConfig: Uint8Array.of(1) })).not.toBe(cookie);
  const program = { ...coreDriver.program, p4info: another } as typeof coreDriver.program;
  expect(pipelineCookie({ ...coreDriver, program })).not.toBe(cookie);
});
