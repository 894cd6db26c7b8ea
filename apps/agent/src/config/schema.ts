import { isIPv4 } from 'node:net';
import { parseAddressPrefix } from '@infra-offload/cni-types';
import * as z from 'zod';
import { defaultSocketPath } from '../cni/protocol.js';

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** The parts of the agent that log with a level of their own. */
export const logModules = ['agent', 'cni', 'interfaces', 'sync', 'services', 'monitoring'] as const;
export type LogModule = (typeof logModules)[number];

const ipv4 = z.string().refine(isIPv4, 'is not an IPv4 address');
const ipv4Cidr = z.string().refine((text) => parseAddressPrefix(text)?.family === 4, 'is not an IPv4 CIDR');
const absolutePath = z.string().startsWith('/', 'is not an absolute path');
const logLevel = z.enum(logLevels);

/** `host:port`; IPv6 addresses in brackets. */
const address = (minPort: number) =>
  z.string().refine((text) => {
    const port = /^(?:\[[0-9a-fA-F:.]+\]|[^:\s/[\]]+):([0-9]{1,5})$/.exec(text)?.[1];
    return port !== undefined && Number(port) >= minPort && Number(port) <= 65535;
  }, 'is not of the form host:port');

/** What the kernel and IPv4 take. */
export const mtuSchema = z.number().int().min(576).max(9000);

/** The configuration file. Every key is optional. */
export const configSchema = z.strictObject({
  nodeName: z.string().min(1).optional(),
  managerAddress: address(1).default('127.0.0.1:50002'),
  interfaceType: z.enum(['tap']).default('tap'),
  // Leaves four digits of the 15 characters that an interface's name may have.
  tapPrefix: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9_.-]{0,10}$/, 'is not 1 to 11 letters, digits, _ . - that begin with a letter')
    .default('P4TAP_'),
  mtu: mtuSchema.default(1500),
  cniSocket: absolutePath.default(defaultSocketPath),
  stateDirectory: absolutePath.default('/var/lib/cni/infraagent'),
  manifestsDirectory: z.string().min(1).optional(),
  serviceCidrs: z.array(ipv4Cidr).default([]),
  podCidrs: z.array(ipv4Cidr).default([]),
  hostInterface: z.strictObject({ addresses: z.array(ipv4).default([]) }).default({ addresses: [] }),
  monitoringAddress: address(0).default('127.0.0.1:50096'),
  log: z
    .strictObject({
      level: logLevel.default('info'),
      modules: z.partialRecord(z.enum(logModules), logLevel).default({}),
    })
    .default({ level: 'info', modules: {} }),
});

/** The agent's settings, complete. */
export type AgentConfig = Omit<z.output<typeof configSchema>, 'nodeName'> & { readonly nodeName: string };
