import { execFile } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { filesBelow, read } from './docs/files.js';

const FOLDERS = ['packages', 'apps', 'tools', 'p4src', 'scripts'];
const SELF = 'scripts/unit-tests.test.ts';
const unitTests = FOLDERS.flatMap((folder) => filesBelow(folder)).filter(
  (file) => /\.test\.ts$/.test(file) && !/\.system(\.faults)?\.test\.ts$/.test(file) && file !== SELF,
);
const TO_SYSTEM = 'name them *.system.test.ts';

describe('unit tests', () => {
  it('start no processes', () => {
    expect(unitTests.length).toBeGreaterThan(100);
    const starting = unitTests.filter((file) => {
      const text = read(file);
      const isHarmless = text.includes("'mkfifo'") || text.includes('vi.spyOn(childProcess,');
      return text.includes("from 'node:child_process'") && !isHarmless;
    });
    expect(starting, TO_SYSTEM).toEqual([]);
  });

  it('share a process, so none replaces modules for the others', () => {
    expect(
      unitTests.filter((file) => /\bvi\.(mock|doMock)\(/.test(read(file))),
      TO_SYSTEM,
    ).toEqual([]);
  });

  it('leave rights and the whole program to system tests', () => {
    const rights = /\bTestNetwork\b|\bTestWorld\b|\bTapPorts\.open\b|process\.getuid/;
    expect(
      unitTests.filter((file) => rights.test(read(file))),
      TO_SYSTEM,
    ).toEqual([]);
  });

  it('fail as soon as anything in them starts a process', () => {
    expect(() => execFile('true')).toThrow(
      'execFile true: a test that starts a process belongs into a file *.system.test.ts',
    );
  });
});
