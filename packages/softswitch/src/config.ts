import {
  addressSchema,
  checkSettings,
  fileLayer,
  type Layer,
  LOG_LEVELS,
  logSchema,
  parseInteger,
  type RenamedKeys,
  ServiceError,
  type SettingOption,
  tlsSchema,
} from '@infra-offload/service';
import { openServerSecurity, type ServerSecurity, TlsCertsError } from '@infra-offload/tls-certs/grpc';
import * as z from 'zod';
import type { Logger } from './logger.js';
import { MAX_MTU, MIN_MTU } from './ports/registry.js';

/** The softswitch logs as a whole. */
export const LOG_MODULES = ['softswitch'] as const;

const RENAMED: RenamedKeys = { logLevel: 'log.level' };

const address = z.union([z.string().regex(/^unix:.+$/), addressSchema(0)], {
  error: 'is neither of the form host:port with a port from 0 to 65535, nor unix:path',
});

/** The files of infrap4d. */
const CERTIFICATES = '/usr/share/stratum/certs';

/** The configuration of the CLI, as its YAML file has it. Flags go over it. */
export const configSchema = z.strictObject({
  p4runtime: address.default('127.0.0.1:9559'),
  gnmi: address.default('127.0.0.1:9339'),
  deviceId: z.int().min(1).default(1),
  taps: z
    .strictObject({
      prefix: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,10}$/, 'must be 1 to 11 of A-Z a-z 0-9 _ . -')
        .default('P4TAP_'),
      count: z.int().min(0).max(4096).default(16),
      mtu: z.int().min(MIN_MTU).max(MAX_MTU).default(1500),
    })
    .prefault({}),
  dataplane: z.enum(['engine', 'dpdk']).default('engine'),
  /** Where the data plane and its control socket are, for whoever goes on with it. */
  runDirectory: z
    .string()
    .regex(/^\//, 'must be an absolute path')
    .max(90, 'must be at most 90 characters, because it contains a socket')
    .default('/run/softswitch'),
  /** The data plane is a child of `softswitch dataplane`, which has the same run directory, and not of the softswitch. */
  keptDataplane: z.boolean().default(false),
  dpdk: z
    .strictObject({
      /** The program swx-host: a file, or a name to look for in PATH. */
      host: z.string().min(1).default('swx-host'),
      hugepages: z.boolean().default(false),
      memoryMb: z.int().min(64).max(1_048_576).default(1024),
      /** Ports that there can be; each costs a little for every packet. */
      ports: z.int().min(1).max(4096).default(128),
      /** Compile programs when they run for the first time, if there is a C compiler; else they are interpreted. */
      compile: z.boolean().default(true),
      /** Where compiled code is kept: it is code that swx-host runs, so only its user may write there. */
      cache: z.string().regex(/^\//, 'must be an absolute path').default('/var/cache/swx-host'),
      /** The program as compiled code that `swx-host --compile` has made, and no other. */
      library: z.string().min(1).optional(),
      /** CPU of the thread that runs packets. */
      cpu: z.int().min(0).max(1023).optional(),
    })
    .prefault({}),
  /** Of both services. */
  tls: tlsSchema({
    cert: `${CERTIFICATES}/stratum.crt`,
    key: `${CERTIFICATES}/stratum.key`,
    ca: `${CERTIFICATES}/ca.crt`,
  }),
  log: logSchema(LOG_MODULES),
});

export type Config = z.infer<typeof configSchema>;

/** Settings that a flag or an environment variable may have, too. */
export const SETTINGS: readonly SettingOption[] = [
  {
    path: 'p4runtime',
    flags: '--p4runtime <host:port>',
    env: 'SOFTSWITCH_P4RUNTIME',
    description: 'address of the P4Runtime service (127.0.0.1:9559)',
  },
  {
    path: 'gnmi',
    flags: '--gnmi <host:port>',
    env: 'SOFTSWITCH_GNMI',
    description: 'address of the gNMI service (127.0.0.1:9339)',
  },
  {
    path: 'deviceId',
    flags: '--device-id <number>',
    env: 'SOFTSWITCH_DEVICE_ID',
    description: 'P4Runtime device id (1)',
    parse: parseInteger,
  },
  {
    path: 'taps.count',
    flags: '--taps <count>',
    env: 'SOFTSWITCH_TAPS',
    description: 'TAP ports created at startup (16)',
    parse: parseInteger,
  },
  {
    path: 'taps.prefix',
    flags: '--tap-prefix <text>',
    env: 'SOFTSWITCH_TAP_PREFIX',
    description: 'prefix of the names of the TAP ports (P4TAP_)',
  },
  {
    path: 'taps.mtu',
    flags: '--mtu <bytes>',
    env: 'SOFTSWITCH_MTU',
    description: 'MTU of the TAP ports (1500)',
    parse: parseInteger,
  },
  {
    path: 'dataplane',
    flags: '--dataplane <kind>',
    env: 'SOFTSWITCH_DATAPLANE',
    description: 'what processes packets: engine (swx-engine) or dpdk (swx-host) (engine)',
  },
  {
    path: 'runDirectory',
    flags: '--run-directory <path>',
    env: 'SOFTSWITCH_RUN_DIRECTORY',
    description: 'directory of the data plane, which outlives the softswitch (/run/softswitch)',
  },
  {
    path: 'dpdk.host',
    flags: '--swx-host <file>',
    env: 'SOFTSWITCH_SWX_HOST',
    description: 'the program swx-host, for dpdk (swx-host)',
  },
  {
    path: 'dpdk.library',
    flags: '--swx-library <file>',
    env: 'SOFTSWITCH_SWX_LIBRARY',
    description: 'the pipeline compiled by swx-host, for dpdk (compiled at startup)',
  },
  {
    path: 'tls.mode',
    flags: '--tls-mode <mode>',
    env: 'SOFTSWITCH_TLS_MODE',
    description: 'mtls (clients need a certificate too), tls or insecure (mtls)',
  },
  {
    path: 'tls.cert',
    flags: '--tls-cert <file>',
    env: 'SOFTSWITCH_TLS_CERT',
    description: `certificate of both services, PEM (${CERTIFICATES}/stratum.crt)`,
  },
  {
    path: 'tls.key',
    flags: '--tls-key <file>',
    env: 'SOFTSWITCH_TLS_KEY',
    description: `key of the certificate, PEM (${CERTIFICATES}/stratum.key)`,
  },
  {
    path: 'tls.ca',
    flags: '--tls-ca <file>',
    env: 'SOFTSWITCH_TLS_CA',
    description: `authority that signs clients, PEM (${CERTIFICATES}/ca.crt)`,
  },
  {
    path: 'log.level',
    flags: '--log-level <level>',
    env: 'SOFTSWITCH_LOG_LEVEL',
    description: `${LOG_LEVELS.join(', ')} (info); logs go to standard error`,
  },
];

/**
 * Reads the configuration: the file, if there is one, and over it what flags and environment say.
 *
 * @throws ServiceError CONFIG
 */
export function readConfig(
  file: string | undefined,
  given: Layer = { settings: {}, placeOf: () => 'flags' },
): Config {
  return checkSettings(configSchema, file === undefined ? [given] : [fileLayer(file), given], RENAMED);
}

/**
 * What the configuration says of TLS, with the certificates loaded.
 *
 * @throws ServiceError CONFIG if they cannot be used
 */
export function securityOf(tls: Config['tls'], logger: Logger): ServerSecurity {
  try {
    return openServerSecurity(tls, logger);
  } catch (error) {
    if (!TlsCertsError.is(error)) throw error;
    throw new ServiceError('CONFIG', `tls: ${error.message}`, { cause: error });
  }
}
