// Runs before a package is packed: only pnpm replaces `workspace:*` by versions and adds the licence of the workspace.
const [client] = (process.env.npm_config_user_agent ?? '').split(' ');
if (!client.startsWith('pnpm/')) {
  console.error(
    `${process.env.npm_package_name ?? 'this package'}: pack and publish with pnpm (pnpm pack, pnpm -r publish), not ${client || 'by hand'}`,
  );
  process.exit(1);
}
