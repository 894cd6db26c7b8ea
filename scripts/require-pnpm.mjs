// Runs before a package is packed: only pnpm replaces `workspace:*` by versions and adds the licence of the workspace.
import { basename } from 'node:path';
import { env } from 'node:process';

const [client] = (env.npm_config_user_agent ?? '').split(' ');
if (!client.startsWith('pnpm/')) {
  const wrong = client || 'by hand';
  console.error(`${basename(process.cwd())}: use pnpm (pnpm pack, pnpm -r publish), not ${wrong}`);
  process.exit(1);
}
