import { expect, it } from 'vitest';
import { createLoggers, LogLevels, logSchema } from './logging.js';

const MODULES = ['server', 'store'] as const;

function logged() {
  const lines: Record<string, unknown>[] = [];
  const loggers = createLoggers(
    'program',
    MODULES,
    { level: 'warn', modules: { store: 'debug' } },
    {
      write: (line: string) => lines.push(JSON.parse(line)),
    },
  );
  return { loggers, lines };
}

it('writes JSON lines of the levels that are wanted', () => {
  const { loggers, lines } = logged();
  loggers.server.info('too quiet');
  loggers.server.warn({ peer: 'x' }, 'loud');
  loggers.store.debug('wanted');
  expect(lines).toMatchObject([
    { name: 'program', module: 'server', peer: 'x', msg: 'loud', time: expect.stringMatching(/^\d{4}-/) },
    { name: 'program', module: 'store', msg: 'wanted' },
  ]);
  expect(lines[0]).not.toHaveProperty('pid');
});

it('changes levels while it runs', () => {
  const { loggers, lines } = logged();
  const levels = new LogLevels(loggers);
  levels.change({ level: 'error', modules: { server: 'info' } });
  expect(levels.current()).toEqual({ server: 'info', store: 'error' });
  loggers.store.warn('too quiet');
  loggers.server.info('wanted');
  expect(lines).toMatchObject([{ msg: 'wanted' }]);
  levels.change({});
  expect(levels.current()).toEqual({ server: 'info', store: 'error' });
});

it('has a default for everything', () => {
  const schema = logSchema(MODULES);
  expect(schema.parse(undefined)).toEqual({ level: 'info', modules: {} });
  expect(schema.safeParse({ modules: { sever: 'info' } }).success).toBe(false);
});
