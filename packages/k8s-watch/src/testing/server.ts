import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { Body } from './body.js';
import { type Backup, Database } from './database.js';
import { type Fault, FaultPlan, type FaultRule } from './faults.js';
import { list } from './list.js';
import type { KubeObject } from './objects.js';
import { type Route, routeOf } from './routes.js';
import { fieldMatcher, labelMatcher, type Matcher } from './selectors.js';
import { badRequest, expired, notFound, StatusError } from './status.js';
import { Watch } from './watch.js';

export interface FakeApiServerOptions {
  /** 127.0.0.1 by default. */
  readonly host?: string;
  /** A free one by default. */
  readonly port?: number;
  /** PEM. With `clientCa` a client needs a certificate signed by it, or a token. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly clientCa?: string };
  /** Bearer tokens that are accepted; anybody is if absent. May be changed at any time. */
  readonly tokens?: Set<string>;
  /** Changes of each kind that a watch can start from; 1000 by default. */
  readonly historySize?: number;
  /** Time between bookmarks; 60 s by default. */
  readonly bookmarkMs?: number;
  /** Resources, by plural, that are served in another version than v1, as by older servers; in none if empty. */
  readonly versions?: Readonly<Record<string, string>>;
  /** The version before the first write; 1000 by default. */
  readonly resourceVersion?: number;
}

/** A request as the server saw it. */
export interface SeenRequest {
  readonly verb: 'get' | 'list' | 'watch';
  /** The plural. */
  readonly resource: string;
  readonly query: Readonly<Record<string, string>>;
  /** The Authorization header. */
  readonly authorization: string | undefined;
  readonly status: number;
}

const DEFAULT_WATCH_SECONDS = 1800;

/** A Kubernetes API server of a single process, for tests. */
export class FakeApiServer {
  readonly database: Database;
  readonly #options: FakeApiServerOptions;
  readonly #faults = new FaultPlan();
  readonly #forbidden = new Set<string>();
  readonly #watches = new Set<Watch>();
  readonly #requests: SeenRequest[] = [];
  #server: Server | undefined;
  #port: number;

  private constructor(options: FakeApiServerOptions) {
    this.#options = options;
    this.#port = options.port ?? 0;
    this.database = new Database(options.resourceVersion ?? 1000, options.historySize ?? 1000);
  }

  static async start(options: FakeApiServerOptions = {}): Promise<FakeApiServer> {
    const server = new FakeApiServer(options);
    await server.#listen();
    return server;
  }

  /** Without a slash at the end. */
  get url(): string {
    const { host = '127.0.0.1', tls } = this.#options;
    return `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${this.#port}`;
  }

  /** All requests so far, the last 10,000 of them. */
  get requests(): readonly SeenRequest[] {
    return this.#requests;
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  /** A kubeconfig for this server, as JSON, which is YAML as well. */
  kubeconfig(user: Readonly<Record<string, unknown>> = {}): string {
    const { tls } = this.#options;
    const ca = tls ? { 'certificate-authority-data': Buffer.from(tls.cert).toString('base64') } : {};
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'fake', cluster: { server: this.url, ...ca } }],
      users: [{ name: 'user', user }],
      contexts: [{ name: 'fake', context: { cluster: 'fake', user: 'user' } }],
      'current-context': 'fake',
    });
  }

  /** Lets requests go wrong from now on. */
  inject(...rules: readonly FaultRule[]): void {
    for (const rule of rules) this.#faults.add(rule);
  }

  /** Takes back all faults that have not come about. */
  clearFaults(): void {
    this.#faults.clear();
  }

  /** Answers 403, until it is allowed again. */
  forbid(verb: SeenRequest['verb'], resource: string): void {
    this.#forbidden.add(`${verb} ${resource}`);
  }

  allow(verb: SeenRequest['verb'], resource: string): void {
    this.#forbidden.delete(`${verb} ${resource}`);
  }

  /** Breaks every connection. */
  cutConnections(): void {
    for (const watch of [...this.#watches]) watch.close();
    this.#server?.closeAllConnections();
  }

  /** Ends all watches in good order. */
  endWatches(): void {
    for (const watch of [...this.#watches]) watch.end();
  }

  /**
   * Stops and starts again on the same port. The history of changes is lost, as a real server's watch cache is; with a
   * backup also everything that has happened since, and versions are lower than before.
   */
  async restart({
    backup,
    downMs = 0,
  }: {
    readonly backup?: Backup;
    readonly downMs?: number;
  } = {}): Promise<void> {
    await this.stop();
    if (backup !== undefined) this.database.restore(backup);
    this.database.compact();
    await sleep(downMs);
    await this.#listen();
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    this.#closeEverything(server);
    await closed;
  }

  #closeEverything(server: Server): void {
    for (const watch of [...this.#watches]) watch.close();
    server.closeAllConnections();
  }

  async #listen(): Promise<void> {
    const { host = '127.0.0.1', tls } = this.#options;
    const answer = (request: IncomingMessage, response: ServerResponse) =>
      void this.#answer(request, response);
    const server = tls
      ? createTlsServer(
          {
            key: tls.key,
            cert: tls.cert,
            ...(tls.clientCa ? { ca: tls.clientCa, requestCert: true, rejectUnauthorized: false } : {}),
          },
          answer,
        )
      : createServer(answer);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, host, resolve);
    });
    const address = server.address();
    if (typeof address === 'object' && address !== null) this.#port = address.port;
    this.#server = server;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.socket?.setNoDelay(true);
    const url = new URL(request.url ?? '/', 'http://server');
    try {
      if (/^\/(healthz|livez|readyz)$/.test(url.pathname)) return void response.end('ok');
      if (url.pathname === '/version')
        return sendJson(response, 200, { major: '1', minor: '34', gitVersion: 'v1.34.0-fake' });
      const route = routeOf(url.pathname, this.#options.versions);
      if (request.method !== 'GET')
        throw new StatusError(405, 'MethodNotAllowed', 'the server only reads over HTTP');
      await this.#serve(route, url.searchParams, request, response);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      sendError(response, error);
    }
  }

  async #serve(
    route: Route | undefined,
    query: URLSearchParams,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const watching = ['true', '1'].includes(query.get('watch') ?? '');
    const verb = route?.name !== undefined ? 'get' : watching ? 'watch' : 'list';
    const faults =
      route === undefined || verb === 'get' ? [] : this.#faults.take(verb, route.resource.plural);
    response.once('close', () => this.#remember(verb, route, query, request, response));
    for (const fault of faults) if (fault.type === 'delay') await sleep(fault.ms);
    if (response.destroyed) return;
    this.#authorize(verb, route, request);
    if (route === undefined) throw notFound('the server could not find the requested resource');
    throwFault(faults);
    if (verb === 'get') this.#get(route, response);
    else if (verb === 'list') this.#list(route, query, response, faults);
    else this.#watch(route, query, response, faults);
  }

  #remember(
    verb: SeenRequest['verb'],
    route: Route | undefined,
    query: URLSearchParams,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    if (this.#requests.length === 10_000) this.#requests.shift();
    this.#requests.push({
      verb,
      resource: route?.resource.plural ?? '',
      query: Object.fromEntries(query),
      authorization: request.headers.authorization,
      status: response.statusCode,
    });
  }

  #authorize(verb: string, route: Route | undefined, request: IncomingMessage): void {
    const { tokens, tls } = this.#options;
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    const certified = 'authorized' in request.socket && request.socket.authorized === true;
    const open = tokens === undefined && tls?.clientCa === undefined;
    if (!open && !(token !== undefined && tokens?.has(token)) && !(tls?.clientCa && certified)) {
      throw new StatusError(401, 'Unauthorized', 'Unauthorized');
    }
    if (route === undefined || !this.#forbidden.has(`${verb} ${route.resource.plural}`)) return;
    const { plural, group } = route.resource;
    const what = `User "test" cannot ${verb} resource "${plural}" in API group "${group}" at the cluster scope`;
    throw new StatusError(403, 'Forbidden', `${plural}${group && `.${group}`} is forbidden: ${what}`);
  }

  #get({ resource, namespace, name }: Route, response: ServerResponse): void {
    const ref = { kind: resource.kind, name: name ?? '', ...(namespace ? { namespace } : {}) };
    const object = this.database.get(ref);
    if (object === undefined) throw notFound(`${resource.plural} "${name}" not found`);
    sendJson(response, 200, object);
  }

  #list(route: Route, query: URLSearchParams, response: ServerResponse, faults: readonly Fault[]): void {
    const { resource, namespace } = route;
    const next = query.get('continue') || undefined;
    if (next !== undefined && query.get('resourceVersion')) {
      throw badRequest('specifying resource version is not allowed when using continue');
    }
    const limit = Number(query.get('limit') ?? 0);
    const answer = list(this.database, {
      resource,
      matches: matcherOf(route, query),
      filtered: namespace !== undefined || query.has('labelSelector') || query.has('fieldSelector'),
      limit: limit > 0 ? limit : undefined,
      next,
    });
    response.writeHead(200, { 'content-type': 'application/json' });
    const body = new Body(response, faults);
    body.write(JSON.stringify(answer));
    body.end();
  }

  #watch(route: Route, query: URLSearchParams, response: ServerResponse, faults: readonly Fault[]): void {
    const { resource } = route;
    const version = query.get('resourceVersion') ?? '';
    if (!/^\d*$/.test(version)) throw badRequest(`invalid resource version "${version}"`);
    const matches = matcherOf(route, query);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    const watch = new Watch(
      this.database,
      {
        resource,
        matches,
        after: version === '' || version === '0' ? undefined : Number(version),
        bookmarks: query.get('allowWatchBookmarks') === 'true',
        timeoutMs: (Number(query.get('timeoutSeconds')) || DEFAULT_WATCH_SECONDS) * 1000,
        bookmarkMs: this.#options.bookmarkMs ?? 60_000,
      },
      new Body(response, faults),
      faults,
      () => this.#watches.delete(watch),
    );
    this.#watches.add(watch);
    response.once('close', () => watch.close());
    watch.start();
  }
}

function matcherOf({ resource, namespace }: Route, query: URLSearchParams): Matcher {
  const labels = query.get('labelSelector');
  const fields = query.get('fieldSelector');
  const matchers = [
    ...(labels ? [labelMatcher(labels)] : []),
    ...(fields ? [fieldMatcher(fields, resource)] : []),
    ...(namespace !== undefined ? [(object: KubeObject) => object.metadata.namespace === namespace] : []),
  ];
  return (object) => matchers.every((matches) => matches(object));
}

function throwFault(faults: readonly Fault[]): void {
  for (const fault of faults) {
    if (fault.type === 'status') {
      const message = `injected: status ${fault.status}`;
      throw new StatusError(fault.status, 'InternalError', message, fault.retryAfterSeconds);
    }
    if (fault.type === 'gone' && fault.as === 'status') throw expired('too old resource version');
  }
}

function sendError(response: ServerResponse, error: StatusError): void {
  if (error.retryAfterSeconds !== undefined) response.setHeader('retry-after', error.retryAfterSeconds);
  sendJson(response, error.code, error.toStatus());
}

function sendJson(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}
