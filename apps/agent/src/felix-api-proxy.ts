#!/usr/bin/env node
import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { messageOf } from '@infra-offload/base';
import { endOnUncaught } from '@infra-offload/guard';
import { relay } from './felix/relay.js';

/** Where infra-agent listens unless its `felix.socket`, and FELIX_API_PROXY_SOCKET for this program, say otherwise. */
const DEFAULT_SOCKET = '/var/run/calico/felix-dataplane.sock';

/** The descriptors that Felix gives its dataplane driver: what it says, and what it hears. */
const DESCRIPTORS = { fromFelix: 3, toFelix: 4 };

async function main(): Promise<string> {
  const fromFelix = open(DESCRIPTORS.fromFelix, { readable: true, writable: false });
  const toFelix = open(DESCRIPTORS.toFelix, { readable: false, writable: true });
  return relay({ fromFelix, toFelix, socketPath: process.env.FELIX_API_PROXY_SOCKET || DEFAULT_SOCKET });
}

function open(fd: number, mode: { readonly readable: boolean; readonly writable: boolean }): Socket {
  try {
    return new Socket({ fd, ...mode });
  } catch (cause) {
    const message = `descriptor ${fd} is not a pipe: Felix starts this program with descriptors 3 and 4 (${messageOf(cause)})`;
    throw new Error(message, { cause });
  }
}

endOnUncaught((error, message) => writeSync(2, `felix-api-proxy: ${message}: ${messageOf(error)}\n`));
// Felix starts anew when its driver ends, and says everything again.
main().then(
  (reason) => process.stderr.write(`felix-api-proxy: ${reason}\n`, () => process.exit(0)),
  (error: unknown) => process.stderr.write(`felix-api-proxy: ${messageOf(error)}\n`, () => process.exit(1)),
);
