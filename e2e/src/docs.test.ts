import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { run } from '@infra-offload/testbed';
import { expect, it } from 'vitest';

const repository = fileURLToPath(new URL('../../', import.meta.url));

/** The commands of a guide, as a reader pastes them. */
function commands(guide: string): string {
  const text = readFileSync(`${repository}docs/${guide}`, 'utf8');
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block).join('\n');
}

it('getting-started.md works as it is written', async () => {
  // In a mount namespace of its own, so that its namespaces, files and processes meet nobody else's and end with it.
  const script = `
    set -euo pipefail
    mount -t tmpfs none /run
    trap 'kill $(jobs -p) 2>/dev/null && wait; node packages/softswitch/dist/cli.js stop >/dev/null || true' EXIT
    make() { :; }
    cd ${repository}
    ${commands('getting-started.md')}
    echo finished`;
  const { code, stdout, stderr } = await run(
    'unshare',
    ['--mount', '--propagation', 'private', 'bash', '-c', script],
    { timeoutMs: 600_000 },
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) });
  expect((await run('pgrep', ['--full', '--', 'softswitch/dist/cli.js --taps 8'])).stdout).toBe('');
  expect(stdout).toContain('2 received');
  const answers = stdout.match(/^web-[12]$/gm) ?? [];
  expect(answers).toHaveLength(8);
  expect(stdout).toMatch(/^service default\/web:http\/TCP +PROGRAMMED/m);
  expect(stdout).toContain('service dst_ip=10.96.0.10 protocol=6 dst_port=80 -> set_service(');
  expect(stdout.trimEnd()).toMatch(/finished$/);
});
