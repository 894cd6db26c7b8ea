import {
  openServerSecurity,
  type ServerSecurity,
  TLS_MODES,
  TlsCertsError,
} from '@infra-offload/tls-certs/grpc';
import { ConfigFile, oneLine, safeParse, YamlError } from '@infra-offload/yaml';
import { z } from 'zod';
import { fail, SoftswitchError } from './errors.js';
import type { Logger } from './logger.js';
import { MAX_MTU, MIN_MTU } from './ports/registry.js';

export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const;

const address = z
  .string()
  .regex(/^(unix:.+|(\[[0-9a-fA-F:.]+\]|[^:[\]]+):\d{1,5})$/, 'must be host:port, [IPv6]:port or unix:path');

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
    .max(90, 'must be 90 characters at most: a socket is in it')
    .default('/run/softswitch'),
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
  /** Of both services. The paths are those of infrap4d. */
  tls: z
    .strictObject({
      mode: z.enum(TLS_MODES).default('mtls'),
      cert: z.string().min(1).default('/usr/share/stratum/certs/stratum.crt'),
      key: z.string().min(1).default('/usr/share/stratum/certs/stratum.key'),
      /** Authorities of clients. */
      ca: z.string().min(1).default('/usr/share/stratum/certs/ca.crt'),
      /** IANA names; all that HTTP/2 allows if absent. */
      cipherSuites: z.array(z.string()).min(1).optional(),
    })
    .prefault({}),
  logLevel: z.enum(LOG_LEVELS).default('info'),
});

export type Config = z.infer<typeof configSchema>;

/** Values of flags; what is undefined leaves the file's value. */
export interface ConfigFlags {
  readonly p4runtime?: string | undefined;
  readonly gnmi?: string | undefined;
  readonly deviceId?: string | undefined;
  readonly tapPrefix?: string | undefined;
  readonly taps?: string | undefined;
  readonly mtu?: string | undefined;
  readonly dataplane?: string | undefined;
  readonly runDirectory?: string | undefined;
  readonly swxHost?: string | undefined;
  readonly swxLibrary?: string | undefined;
  readonly tlsMode?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly tlsCa?: string | undefined;
  readonly logLevel?: string | undefined;
}

/** Reads the configuration: the file, if there is one, and the flags over it. INVALID_ARGUMENT names the fault. */
export function readConfig(file: string | undefined, flags: ConfigFlags): Config {
  const read = file === undefined ? undefined : readFile(file);
  const base = read?.settings ?? {};
  const overrides = {
    ...given({
      p4runtime: flags.p4runtime,
      gnmi: flags.gnmi,
      deviceId: number(flags.deviceId),
      logLevel: flags.logLevel,
      dataplane: flags.dataplane,
      runDirectory: flags.runDirectory,
    }),
    dpdk: given({ host: flags.swxHost, library: flags.swxLibrary }),
    taps: given({ prefix: flags.tapPrefix, count: number(flags.taps), mtu: number(flags.mtu) }),
    tls: given({ mode: flags.tlsMode, cert: flags.tlsCert, key: flags.tlsKey, ca: flags.tlsCa }),
  };
  const merged = {
    ...base,
    ...overrides,
    dpdk: { ...section(base.dpdk), ...overrides.dpdk },
    taps: { ...section(base.taps), ...overrides.taps },
    tls: { ...section(base.tls), ...overrides.tls },
  };
  const parsed = safeParse(configSchema, merged);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => {
    const [unknown] = issue.code === 'unrecognized_keys' ? issue.keys : [];
    const path = unknown === undefined ? issue.path : [...issue.path, unknown];
    const place = read === undefined || has(overrides, path) ? 'flags' : read.place(path);
    return [place, ...(issue.path.length === 0 ? [] : [issue.path.join('.')]), issue.message].join(': ');
  });
  fail('INVALID_ARGUMENT', faults.map(oneLine).join('; '));
}

/** What the configuration says of TLS, with the certificates loaded. INVALID_ARGUMENT tells what is wrong with them. */
export function securityOf(tls: Config['tls'], logger: Logger): ServerSecurity {
  try {
    return openServerSecurity(tls, logger);
  } catch (error) {
    if (!TlsCertsError.is(error)) throw error;
    throw new SoftswitchError('INVALID_ARGUMENT', `tls: ${error.message}`, { cause: error });
  }
}

function readFile(file: string): ConfigFile {
  try {
    return ConfigFile.read(file);
  } catch (error) {
    if (!YamlError.is(error)) throw error;
    throw new SoftswitchError('INVALID_ARGUMENT', error.message, { cause: error });
  }
}

/** Whether there is a value at the path. */
function has(settings: unknown, [key, ...rest]: readonly PropertyKey[]): boolean {
  if (key === undefined) return true;
  return (
    typeof settings === 'object' &&
    settings !== null &&
    Object.hasOwn(settings, key) &&
    has(Reflect.get(settings, key), rest)
  );
}

/** A mapping, an empty one for nothing; anything else is left for the schema to refuse. */
function section(value: unknown): object {
  if (value === undefined || value === null) return {};
  return typeof value === 'object' ? value : { value };
}

function given<T extends object>(values: T): Partial<T> {
  const kept = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as Partial<T>;
}

/** A flag's number; text that is none is left for the schema to refuse. */
function number(text: string | undefined): number | string | undefined {
  if (text === undefined) return undefined;
  return /^\d+$/.test(text) ? Number(text) : text;
}
