import { Client, Server, type ServerWritableStream, status } from '@grpc/grpc-js';
import { type PeerLimits, SERVER_OPTIONS } from '../grpc/limits.js';
import { type Listener, listen } from '../grpc/listener.js';
import { openClientSecurity, openServerSecurity, type TlsMode } from '../grpc/security.js';
import type { TlsLogger } from '../grpc/source.js';
import type { IdentityFiles } from '../layout.js';
import type { Role } from '../roles.js';

export const bytes = (value: Buffer): Buffer => value;
/** Answers with the server's name. */
export const ECHO = '/test.Echo/Echo';
/** Sends for ever, as fast as it is read. */
export const POUR = '/test.Echo/Pour';
const POURED = Buffer.alloc(64 << 10);

export interface ServeOptions {
  readonly address?: string;
  readonly mode?: TlsMode;
  readonly files?: IdentityFiles;
  readonly cipherSuites?: readonly string[];
  readonly limits?: Partial<PeerLimits>;
}

export interface EchoListener extends Listener {
  /** What was logged. */
  readonly lines: readonly string[];
}

/** Listeners with gRPC servers behind them that answer with their name. */
export class EchoServers {
  readonly #cleanups: (() => unknown)[] = [];
  readonly #files: IdentityFiles;

  /** @param files of the servers, where a test has none of its own. */
  constructor(files: IdentityFiles) {
    this.#files = files;
  }

  async serve(options: ServeOptions = {}): Promise<EchoListener> {
    const {
      address = '127.0.0.1:0',
      mode = 'mtls',
      files = this.#files,
      cipherSuites,
      limits = {},
    } = options;
    const lines: string[] = [];
    const write = (fields: object, message: string) =>
      void lines.push(`${message} ${JSON.stringify(fields)}`);
    const logger: TlsLogger = { info: write, warn: write, error: write };
    const security = openServerSecurity({ mode, ...files, cipherSuites }, logger);
    const server = this.#echo('everybody');
    const clients = { agent: this.#echo('agents'), operator: this.#echo('operators') };
    const listener = await listen({ address, server, clients, security, logger, limits });
    this.#cleanups.push(() => listener.close());
    if (security.mode !== 'insecure') this.#cleanups.push(() => security.source.close());
    return Object.assign(listener, { lines });
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup();
  }

  #echo(name: string): Server {
    const server = new Server(SERVER_OPTIONS);
    const method = {
      requestStream: false,
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    } as const;
    server.addService(
      {
        echo: { ...method, path: ECHO, responseStream: false },
        pour: { ...method, path: POUR, responseStream: true },
      },
      {
        echo: (_: unknown, callback: (error: null, value: Buffer) => void) =>
          callback(null, Buffer.from(name)),
        pour: (call: ServerWritableStream<Buffer, Buffer>) => {
          const pour = () => {
            while (!call.cancelled && call.write(POURED));
            if (!call.cancelled) call.once('drain', pour);
          };
          pour();
        },
      },
    );
    this.#cleanups.push(() => server.forceShutdown());
    return server;
  }
}

/** The answer, or the code of the error and what comes with it. */
export function ask(client: Client): Promise<string> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      ECHO,
      bytes,
      bytes,
      Buffer.alloc(0),
      { deadline: Date.now() + 60_000 },
      (error, value) => resolve(error === null ? String(value) : `${status[error.code]}: ${error.details}`),
    );
  });
}

/** The same on a connection of its own. */
export async function call(
  address: string,
  files: IdentityFiles,
  options: { mode?: TlsMode; role?: Role; cipherSuites?: readonly string[] } = {},
): Promise<string> {
  const { mode = 'mtls', role = 'manager', cipherSuites } = options;
  const security = openClientSecurity({ mode, ...files, cipherSuites }, role);
  // A pool of its own: clients share connections otherwise.
  const client = new Client(address, security.credentials, { 'grpc.use_local_subchannel_pool': 1 });
  const answer = await ask(client);
  client.close();
  security.source?.close();
  return answer;
}
