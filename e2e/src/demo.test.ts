import { programs, run } from '@infra-offload/testbed';
import { expect, it } from 'vitest';

/** Names of network namespaces are this shell's own, so that others on the machine are not in the way; at the end it lists them. */
const APART = 'mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && "$@" && ls /run/netns >&2';

it('the demo works, and leaves nothing behind', async () => {
  const { code, stdout, stderr } = await run(
    'unshare',
    ['--mount', '--propagation', 'private', 'sh', '-c', APART, 'sh', process.execPath, programs.demo],
    { timeoutMs: 600_000 },
  );
  expect({ code, stderr, stdout: code === 0 ? '' : stdout }).toEqual({ code: 0, stderr: '', stdout: '' });
  expect(stdout).toContain('Everything went as it should.');
});
