import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { NetworkNamespace } from './netns.js';
import { ServiceProcess } from './service-process.js';
import { type CommandResult, must, run } from './shell.js';

const ETCD = 'http://127.0.0.1:2379';
const PEERS = 'http://127.0.0.1:2380';
const API_SERVER = 'https://127.0.0.1:6443';
/** It does not announce itself under a loopback address. */
const ANNOUNCED = '172.31.255.250';

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

/**
 * A real kube-apiserver with its etcd on a node of a testbed: admission, RBAC and audit as in a cluster, and those
 * controllers that are asked for. The programs come from the directory that the environment variable KUBE_BIN names.
 */
export class ControlPlane {
  readonly #etcd: ServiceProcess;
  readonly #apiServer: ServiceProcess;
  #controllers: ServiceProcess | undefined;
  readonly #admin: string;
  readonly #audit: string;
  readonly #certificate: string;

  private constructor(
    private readonly bin: string,
    private readonly node: NetworkNamespace,
    readonly directory: string,
  ) {
    mkdirSync(directory, { recursive: true });
    const path = (file: string) => join(directory, file);
    const adminToken = randomUUID();
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(path('accounts.key'), privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 });
    writeFileSync(path('tokens.csv'), `${adminToken},admin,admin,system:masters\n`, { mode: 0o600 });
    writeFileSync(
      path('audit.yaml'),
      stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules: [{ level: 'Metadata' }] }),
    );
    this.#audit = path('audit.log');
    this.#certificate = path('apiserver.crt');
    this.#admin = path('admin.kubeconfig');
    this.#writeKubeconfig(this.#admin, adminToken);
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
        ...['--etcd-servers', ETCD, '--bind-address', '127.0.0.1', '--advertise-address', ANNOUNCED],
        ...['--cert-dir', directory, '--token-auth-file', path('tokens.csv')],
        ...['--authorization-mode', 'RBAC', '--service-cluster-ip-range', '10.96.0.0/16'],
        ...['--service-account-issuer', 'https://kubernetes.default.svc'],
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
  static async start(bin: string, node: NetworkNamespace, directory: string): Promise<ControlPlane> {
    const plane = new ControlPlane(bin, node, directory);
    try {
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
      async () => (await this.node.run('curl', ['--silent', '--fail', `${ETCD}/health`])).code === 0,
    );
  }

  /** Ready when it has made the objects that every cluster has, roles among them. */
  startApiServer(): Promise<void> {
    return this.#apiServer.start(async () => (await this.kubectl(['get', '--raw', '/readyz'])).code === 0);
  }

  /** Starts kube-controller-manager with these controllers, such as `namespace-controller`. */
  startControllers(names: readonly string[]): Promise<void> {
    const port = 10257;
    this.#controllers = new ServiceProcess(
      'kube-controller-manager',
      this.node,
      { executable: join(this.bin, 'kube-controller-manager') },
      [
        ...['--kubeconfig', this.#admin, '--leader-elect=false', '--controllers', names.join()],
        ...['--bind-address', '127.0.0.1', '--secure-port', `${port}`, '--cert-dir', this.directory],
        ...['--service-account-private-key-file', join(this.directory, 'accounts.key')],
        ...['--root-ca-file', this.#certificate],
      ],
      join(this.directory, 'kube-controller-manager.out'),
    );
    const health = `https://127.0.0.1:${port}/healthz`;
    return this.#controllers.start(
      async () => (await this.node.run('curl', ['--silent', '--fail', '--insecure', health])).code === 0,
    );
  }

  /** PEM: the certificate that the API server shows, with that of its authority. */
  get authority(): string {
    return readFileSync(this.#certificate, 'utf8');
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
    await this.#controllers?.stop('SIGKILL');
    await this.#apiServer.stop('SIGKILL');
    await this.#etcd.stop('SIGKILL');
  }

  #command(args: readonly string[]): [string, string[]] {
    return this.node.wrap(join(this.bin, 'kubectl'), ['--kubeconfig', this.#admin, ...args]);
  }

  #writeKubeconfig(file: string, token: string): void {
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        { name: 'test', cluster: { server: API_SERVER, 'certificate-authority': this.#certificate } },
      ],
      users: [{ name: 'admin', user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
      'current-context': 'test',
    };
    writeFileSync(file, stringify(config), { mode: 0o600 });
  }
}
