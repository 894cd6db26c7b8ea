import { programs, run } from '@infra-offload/testbed';
import { expect, it } from 'vitest';

it('the demo works, and leaves nothing behind', async () => {
  const namespaces = async () => (await run('ip', ['netns', 'list'])).stdout;
  const before = await namespaces();
  const { code, stdout, stderr } = await run(process.execPath, [programs.demo], { timeoutMs: 600_000 });
  expect({ code, stderr, stdout: code === 0 ? '' : stdout }).toEqual({ code: 0, stderr: '', stdout: '' });
  expect(stdout).toContain('Everything went as it should.');
  expect(await namespaces()).toBe(before);
});
