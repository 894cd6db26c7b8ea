import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Channel } from './channel.js';

const path = join(tmpdir(), `channel-${randomBytes(6).toString('hex')}.sock`);

it('waits for a host whose queue of connections is full', async () => {
  const server = createServer();
  let accepted = 0;
  server.on('connection', () => accepted++);
  server.listen({ path, backlog: 1 });
  await once(server, 'listening');
  // All of them before the server has its turn: most find the queue full.
  const channels = await Promise.all(Array.from({ length: 50 }, () => Channel.open(path)));
  await expect.poll(() => accepted).toBe(50);
  for (const channel of channels) channel.close();
  server.close();
  await once(server, 'close');
});

it('says at once that nobody listens', async () => {
  rmSync(path, { force: true });
  await expect(Channel.open(path)).rejects.toMatchObject({ code: 'ENOENT' });
});
