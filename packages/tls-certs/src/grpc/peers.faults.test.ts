import { readFileSync } from 'node:fs';
import { faultTest } from '@infra-offload/faults';
import {
  AbuseClient,
  type AbuseOptions,
  grpcHeaders,
  headers,
  PREFACE,
  rstStream,
  settings,
} from '@infra-offload/faults/http2';
import { afterAll, afterEach, beforeAll, describe, expect } from 'vitest';
import type { IdentityFiles } from '../layout.js';
import { call, ECHO, EchoServers } from '../testing/echo.js';
import { Scratch } from '../testing/scratch.js';

const scratch = new Scratch();
let servers: EchoServers;
let agent: IdentityFiles;
const uncaught: unknown[] = [];
const catchIt = (error: unknown) => void uncaught.push(error);

beforeAll(async () => {
  servers = new EchoServers(await scratch.put(await scratch.issue('manager')));
  agent = await scratch.put(await scratch.issue('agent'));
  process.on('uncaughtException', catchIt);
});
afterEach(() => servers.close());
afterAll(() => {
  process.off('uncaughtException', catchIt);
  scratch.remove();
});

describe('x', () => {
  for (const [mode, tls] of [
    ['mtls', false],
    ['insecure', false],
    ['mtls', true],
  ] as const) {
    for (const path of [ECHO, '/nothing/Here'])
      faultTest({ fault: `reset ${mode} ${tls} ${path}`, promise: 'no', sample: 20 }, async ({ cases }) => {
        const { address } = await servers.serve({ mode });
        const options: AbuseOptions = {
          address,
          ...(tls && {
            tls: { cert: readFileSync(agent.cert, 'utf8'), key: readFileSync(agent.key, 'utf8') },
          }),
        };
        for (let i = 0; i < cases; i++) {
          const client = await AbuseClient.connect(options);
          client.socket.write(
            Buffer.concat([PREFACE, settings(), headers(1, grpcHeaders(path)), rstStream(1)]),
          );
          await new Promise((resolve) => setTimeout(resolve, 20));
          client.destroy();
        }
        expect(uncaught.splice(0).map(String)).toEqual([]);
        expect(await call(address, agent, { mode })).toMatch(/agents|everybody/);
        return 'ok';
      });
  }
});
