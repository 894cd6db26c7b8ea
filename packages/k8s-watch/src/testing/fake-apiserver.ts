#!/usr/bin/env node
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { messageOf } from '@infra-offload/base';
import { DirectoryFollower } from './directory.js';
import { FakeApiServer } from './server.js';

const USAGE = `fake-apiserver [options]: serves the manifests of a directory as a Kubernetes API server does

  --manifests DIR         *.yaml, *.yml and *.json files; their changes become changes of the API's objects
  --listen HOST:PORT      127.0.0.1:0 by default, where 0 is a free port
  --kubeconfig FILE       where to write a kubeconfig for it
  --token TOKEN           the only bearer token to accept; without it anybody is accepted
  --tls-cert FILE --tls-key FILE
  --bookmark-seconds N    time between bookmarks, 60 by default
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      manifests: { type: 'string' },
      listen: { type: 'string', default: '127.0.0.1:0' },
      kubeconfig: { type: 'string' },
      token: { type: 'string' },
      'tls-cert': { type: 'string' },
      'tls-key': { type: 'string' },
      'bookmark-seconds': { type: 'string', default: '60' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const { token, 'tls-cert': cert, 'tls-key': key } = values;
  const [, host = '127.0.0.1', port = '0'] = /^\[?(.*?)\]?:(\d+)$/.exec(values.listen) ?? [];
  const server = await FakeApiServer.start({
    host,
    port: Number(port),
    bookmarkMs: Number(values['bookmark-seconds']) * 1000,
    ...(token !== undefined ? { tokens: new Set([token]) } : {}),
    ...(cert !== undefined && key !== undefined
      ? { tls: { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') } }
      : {}),
  });
  const { manifests, kubeconfig } = values;
  let follower: DirectoryFollower | undefined;
  try {
    if (manifests !== undefined) follower = follow(server, manifests);
    if (kubeconfig !== undefined) {
      writeFileSync(kubeconfig, server.kubeconfig(token === undefined ? {} : { token }), { mode: 0o600 });
    }
  } catch (error) {
    follower?.close();
    await server.stop();
    throw error;
  }
  console.log(server.url);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      follower?.close();
      void server.stop();
    });
  }
}

function follow({ database }: FakeApiServer, directory: string): DirectoryFollower {
  return new DirectoryFollower({
    database,
    directory,
    onError: (message) => console.error(message),
  });
}

main().catch((error: unknown) => {
  console.error(`fake-apiserver: ${messageOf(error)}`);
  const isUsage =
    error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
  process.exitCode = isUsage ? 2 : 1;
});
