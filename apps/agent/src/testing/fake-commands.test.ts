import { execFileSync, spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeCommands } from './fake-commands.js';

let commands: FakeCommands;

beforeEach(() => {
  commands = new FakeCommands();
});

afterEach(() => {
  commands.remove();
});

describe('FakeCommands', () => {
  it('plays back what the transcript says, in order', () => {
    commands.expect(
      { command: 'ip -json link show', stdout: [{ ifname: 'lo' }] },
      { command: 'devlink port show', code: 3, stderr: 'no' },
    );
    expect(execFileSync('ip', ['-json', 'link', 'show'], { encoding: 'utf8' })).toBe('[{"ifname":"lo"}]');
    expect(spawnSync('devlink', ['port', 'show'], { encoding: 'utf8' })).toMatchObject({
      status: 3,
      stderr: 'no',
    });
    expect(() => commands.verify()).not.toThrow();
  });

  it.each<[string, string[], string]>([
    ['another command', ['nsenter', '-batch', '-'], 'a'],
    ['another argument', ['ip', '-batch', '-', '-force'], 'a'],
    ['a missing argument', ['ip', '-batch'], 'a'],
    ['another input', ['ip', '-batch', '-'], 'b'],
  ])('fails on %s', (_what, [file = '', ...args], input) => {
    commands.expect({ command: 'ip -batch -', stdin: ['a'] });
    expect(spawnSync(file, args, { input }).status).toBe(97);
    expect(() => commands.verify()).toThrow(/command 1 is/);
  });

  it('fails on a command too many, and on one too few', () => {
    commands.expect({ command: 'ip one' });
    expect(() => commands.verify()).toThrow(/never run:\nip one/);
    spawnSync('ip', ['one']);
    expect(() => commands.verify()).not.toThrow();
    spawnSync('ip', ['one']);
    expect(() => commands.verify()).toThrow(/expected none/);
  });
});
