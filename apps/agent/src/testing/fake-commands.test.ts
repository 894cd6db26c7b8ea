import { describe, expect, it } from 'vitest';
import { FakeCommands } from './fake-commands.js';

describe('FakeCommands', () => {
  it('plays back what the transcript says, in order', async () => {
    const commands = new FakeCommands();
    commands.expect(
      { command: 'ip -json link show', stdout: [{ ifname: 'lo' }] },
      { command: 'devlink port show', code: 3, stderr: 'no' },
    );
    expect(await commands.run('ip', ['-json', 'link', 'show'])).toEqual({
      code: 0,
      stdout: '[{"ifname":"lo"}]',
      stderr: '',
    });
    expect(await commands.run('devlink', ['port', 'show'])).toMatchObject({ code: 3, stderr: 'no' });
    expect(() => commands.verify()).not.toThrow();
  });

  it.each<[string, string[], string]>([
    ['another command', ['nsenter', '-batch', '-'], 'a'],
    ['another argument', ['ip', '-batch', '-', '-force'], 'a'],
    ['a missing argument', ['ip', '-batch'], 'a'],
    ['another input', ['ip', '-batch', '-'], 'b'],
  ])('fails on %s', async (_what, [file = '', ...args], stdin) => {
    const commands = new FakeCommands();
    commands.expect({ command: 'ip -batch -', stdin: ['a'] });
    expect((await commands.run(file, args, { stdin })).code).toBe(97);
    expect(() => commands.verify()).toThrow(/command 1 is/);
  });

  it('fails on a command too many, and on one too few', async () => {
    const commands = new FakeCommands();
    commands.expect({ command: 'ip one' });
    expect(() => commands.verify()).toThrow(/never run:\nip one/);
    await commands.run('ip', ['one']);
    expect(() => commands.verify()).toThrow(/expected none/);
    expect(() => commands.verify()).not.toThrow();
  });
});
