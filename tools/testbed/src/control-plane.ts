import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Place } from './netns.js';
import { ServiceProcess } from './service-process.js';
import { type CommandResult, must, run } from './shell.js';

const ETCD = 'http://127.0.0.1:2379';
const PEERS = 'http://127.0.0.1:2380';
/** Where it is announced if it serves its own node only: under a loopback address it cannot be. */
const ANNOUNCED = '172.31.255.250';
const CONTROLLERS_PORT = 10257;
const SCHEDULER_PORT = 10259;

/** A request as the audit log of the API server has it. */
export interface AuditEvent {
  readonly verb: string;
  readonly requestURI: string;
  readonly user: { readonly username: string };
  readonly objectRef?: {
    readonly resource: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly apiGroup?: string;
  };
  readonly responseStatus?: { readonly code: number };
}

export interface ControlPlaneOptions {
  /** Of the node, where the API server is for others. Left out: it serves its own node only, on the loopback. */
  readonly address?: string;
  /** Nodes whose kubelets may ask. */
  readonly nodes?: readonly string[];
}

/**
 * A real kube-apiserver with its etcd on a node of a testbed: admission, RBAC and audit as in a cluster, and those
 * controllers that are asked for. The programs come from the directory that the environment variable KUBE_BIN names.
 */
export class ControlPlane {
  readonly #bin: string;
  readonly #node: Place;
  readonly #etcd: ServiceProcess;
  readonly #apiServer: ServiceProcess;
  readonly #others: ServiceProcess[] = [];
  readonly #url: string;
  readonly #admin: string;
  readonly #audit: string;
  readonly #certificate: string;

  private constructor(
    bin: string,
    node: Place,
    readonly directory: string,
    options: ControlPlaneOptions,
  ) {
    this.#bin = bin;
    this.#node = node;
    const { address, nodes = [] } = options;
    this.#url = `https://${address ?? '127.0.0.1'}:6443`;
    mkdirSync(directory, { recursive: true });
    const path = (file: string) => join(directory, file);
    const adminToken = randomUUID();
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(path('accounts.key'), privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 });
    const kubelets = nodes.map((name) => ({ name, token: randomUUID() }));
    const tokens = [
      `${adminToken},admin,admin,system:masters`,
      ...kubelets.map(({ name, token }) => `${token},system:node:${name},${name},system:nodes`),
    ];
    writeFileSync(path('tokens.csv'), `${tokens.join('\n')}\n`, { mode: 0o600 });
    writeFileSync(
      path('audit.yaml'),
      stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules: [{ level: 'Metadata' }] }),
    );
    this.#audit = path('audit.log');
    this.#certificate = path('apiserver.crt');
    this.#admin = path('admin.kubeconfig');
    this.#writeKubeconfig(this.#admin, adminToken);
    for (const { name, token } of kubelets) this.#writeKubeconfig(this.kubeletConfig(name), token);
    this.#etcd = new ServiceProcess(
      'etcd',
      node,
      { executable: join(bin, 'etcd') },
      [
        ...['--data-dir', path('etcd'), '--log-level', 'warn', '--unsafe-no-fsync'],
        ...['--listen-client-urls', ETCD, '--advertise-client-urls', ETCD],
        ...['--listen-peer-urls', PEERS, '--initial-advertise-peer-urls', PEERS],
        ...['--initial-cluster', `default=${PEERS}`],
      ],
      path('etcd.out'),
    );
    this.#apiServer = new ServiceProcess(
      'kube-apiserver',
      node,
      { executable: join(bin, 'kube-apiserver') },
      [
        ...['--etcd-servers', ETCD, '--advertise-address', address ?? ANNOUNCED],
        ...['--bind-address', address === undefined ? '127.0.0.1' : '0.0.0.0'],
        ...['--cert-dir', directory, '--token-auth-file', path('tokens.csv')],
        ...['--authorization-mode', 'Node,RBAC', '--enable-admission-plugins', 'NodeRestriction'],
        ...['--service-cluster-ip-range', '10.96.0.0/16', '--endpoint-reconciler-type', 'lease'],
        ...['--kubelet-preferred-address-types', 'InternalIP', '--allow-privileged'],
        ...['--service-account-issuer', 'https://kubernetes.default.svc.cluster.local'],
        ...['--service-account-key-file', path('accounts.key')],
        ...['--service-account-signing-key-file', path('accounts.key')],
        ...['--audit-policy-file', path('audit.yaml'), '--audit-log-path', this.#audit],
      ],
      path('kube-apiserver.out'),
    );
  }

  /** Where the programs are; undefined with the reason if there are none. */
  static programs(): { readonly bin?: string; readonly reason: string } {
    const { KUBE_BIN: bin } = process.env;
    if (!bin) return { reason: 'KUBE_BIN names no directory with Kubernetes’ programs and etcd' };
    const missing = ['kube-apiserver', 'kube-controller-manager', 'etcd', 'kubectl'].filter(
      (name) => !existsSync(join(bin, name)),
    );
    if (missing.length > 0) throw new Error(`KUBE_BIN is ${bin}, where ${missing.join(', ')} is missing`);
    return { bin, reason: `from ${bin}` };
  }

  /** Starts both on `node`, with their files in `directory`. Takes some seconds. */
  static async start(
    bin: string,
    node: Place,
    directory: string,
    options: ControlPlaneOptions = {},
  ): Promise<ControlPlane> {
    const plane = new ControlPlane(bin, node, directory, options);
    try {
      if (options.address === undefined)
        await node.must('ip', ['address', 'replace', `${ANNOUNCED}/32`, 'dev', 'lo']);
      await plane.startEtcd();
      await plane.startApiServer();
      return plane;
    } catch (error) {
      await plane.stop();
      throw error;
    }
  }

  startEtcd(): Promise<void> {
    return this.#etcd.start(
      async () => (await this.#node.run('curl', ['--silent', '--fail', `${ETCD}/health`])).code === 0,
    );
  }

  /** Ready when it has made the objects that every cluster has, roles among them. */
  startApiServer(): Promise<void> {
    return this.#apiServer.start(async () => (await this.kubectl(['get', '--raw', '/readyz'])).code === 0);
  }

  /** Starts kube-controller-manager with these controllers, such as `namespace-controller`; `*` are all. */
  startControllers(names: readonly string[], args: readonly string[] = []): Promise<void> {
    return this.#startOther('kube-controller-manager', CONTROLLERS_PORT, [
      ...['--controllers', names.join()],
      ...['--service-account-private-key-file', join(this.directory, 'accounts.key')],
      ...['--root-ca-file', this.#certificate],
      ...args,
    ]);
  }

  /** The API server is away until `during` has come to its end; controllers and scheduler wait for it. */
  async withoutApiServer(during: () => Promise<void>): Promise<void> {
    await this.#apiServer.stop();
    await during();
    await this.startApiServer();
  }

  /** Keeps a copy of all objects as they are now; gives a function that brings them back, as restoring a backup of etcd does. */
  async backUp(): Promise<() => Promise<void>> {
    const data = join(this.directory, 'etcd');
    const copy = join(this.directory, 'etcd.backup');
    const replace = (by: () => void) =>
      this.withoutApiServer(async () => {
        await this.#etcd.stop();
        by();
        await this.startEtcd();
      });
    await replace(() => cpSync(data, copy, { recursive: true }));
    return () =>
      replace(() => {
        rmSync(data, { recursive: true });
        renameSync(copy, data);
      });
  }

  startScheduler(): Promise<void> {
    return this.#startOther('kube-scheduler', SCHEDULER_PORT, []);
  }

  #startOther(name: string, port: number, args: readonly string[]): Promise<void> {
    const process = new ServiceProcess(
      name,
      this.#node,
      { executable: join(this.#bin, name) },
      [
        ...['--kubeconfig', this.#admin, '--leader-elect=false', '--cert-dir', this.directory],
        ...['--bind-address', '127.0.0.1', '--secure-port', `${port}`],
        // Whoever is on the node may ask for the metrics, as its own health is asked for here.
        ...['--authentication-kubeconfig', this.#admin, '--authorization-kubeconfig', this.#admin],
        ...args,
      ],
      join(this.directory, `${name}.out`),
    );
    this.#others.push(process);
    const health = `https://127.0.0.1:${port}/healthz`;
    return process.start(
      async () => (await this.#node.run('curl', ['--silent', '--fail', '--insecure', health])).code === 0,
    );
  }

  /** PEM: the certificate that the API server shows, with that of its authority. */
  get authority(): string {
    return readFileSync(this.#certificate, 'utf8');
  }

  /** Where others find the API server: `host:port`. */
  get apiServer(): string {
    return new URL(this.#url).host;
  }

  /** The file with the administrator's access. */
  get adminConfig(): string {
    return this.#admin;
  }

  /** The file with the access of a node's kubelet. */
  kubeletConfig(node: string): string {
    return join(this.directory, `${node}.kubeconfig`);
  }

  /** kubectl of the same version, as the cluster's administrator. */
  kubectl(args: readonly string[], input?: string): Promise<CommandResult> {
    return run(...this.#command(args), { ...(input === undefined ? {} : { input }) });
  }

  /** @throws Error with what kubectl says. */
  must(args: readonly string[], input?: string): Promise<string> {
    return must(...this.#command(args), { ...(input === undefined ? {} : { input }) });
  }

  async apply(objects: readonly object[]): Promise<void> {
    await this.must(
      ['apply', '--server-side', '--filename', '-'],
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
    );
  }

  /** A command line that scripts take for kubectl. */
  get kubectlCommand(): string {
    const [command, args] = this.#command([]);
    return [command, ...args].join(' ');
  }

  /** A token of a service account, as kubelet asks for one. */
  async token(namespace: string, account: string): Promise<string> {
    return (await this.must(['--namespace', namespace, 'create', 'token', account])).trim();
  }

  /** What a user has asked for so far, from the audit log. */
  requestsOf(username: string): AuditEvent[] {
    return readFileSync(this.#audit, 'utf8')
      .split('\n')
      .filter((line) => line.includes(`"${username}"`))
      .map((line) => JSON.parse(line) as AuditEvent & { stage: string })
      .filter(({ user, responseStatus }) => user.username === username && responseStatus !== undefined);
  }

  async stop(): Promise<void> {
    for (const process of this.#others.splice(0)) await process.stop('SIGKILL');
    await this.#apiServer.stop('SIGKILL');
    await this.#etcd.stop('SIGKILL');
  }

  #command(args: readonly string[]): [string, string[]] {
    return this.#node.wrap(join(this.#bin, 'kubectl'), ['--kubeconfig', this.#admin, ...args]);
  }

  #writeKubeconfig(file: string, token: string): void {
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        { name: 'test', cluster: { server: this.#url, 'certificate-authority': this.#certificate } },
      ],
      users: [{ name: 'admin', user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
      'current-context': 'test',
    };
    writeFileSync(file, stringify(config), { mode: 0o600 });
  }
}
