import childProcess from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';

/** Makes what Node.js cannot make itself, at once and without rights. */
const TRIVIAL = 'mkfifo';

/** Keeps the project `unit` what it is: a test in it that starts a process fails, whatever lies in between. */
for (const name of ['exec', 'execFile', 'execFileSync', 'execSync', 'fork', 'spawn', 'spawnSync'] as const) {
  const real: (...args: never[]) => unknown = childProcess[name];
  Object.assign(childProcess, {
    [name](...args: never[]) {
      const [command] = args as readonly unknown[];
      if (command === TRIVIAL) return real.apply(this, args);
      throw new Error(
        `${name} ${command}: a test that starts a process belongs into a file *.system.test.ts`,
      );
    },
  });
}
syncBuiltinESMExports();
