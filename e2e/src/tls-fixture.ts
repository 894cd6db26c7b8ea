import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority, type Identity, issue, type LeafOptions, type Role } from '@infra-offload/tls-certs';
import type { TlsSettings } from '@infra-offload/tls-certs/grpc';

/** How long a program may take to end in order. */
const END_MS = 20_000;

/** A directory with certificates, and processes that are ended with it. */
export class TlsFixture {
  readonly directory = mkdtempSync(join(tmpdir(), 'tls-e2e-'));
  /** What both sides trust, and one that neither does. */
  readonly authority = createAuthority({ bits: 2048 });
  readonly stranger = createAuthority({ bits: 2048, name: 'stranger' });
  readonly #processes = new Set<Program>();
  #count = 0;

  path(name: string): string {
    return join(this.directory, `${this.#count++}-${name}`);
  }

  async issue(role: Role, options: LeafOptions = {}, authority = this.authority): Promise<Identity> {
    return issue(await authority, role, { bits: 2048, ...options });
  }

  /** Files for mutual TLS. `ca`: what the other side's certificate may be of. */
  async put(identity: Identity, ca?: string): Promise<TlsSettings> {
    const directory = this.path('certificate');
    mkdirSync(directory);
    const file = (name: string, text: string) => {
      writeFileSync(join(directory, name), text);
      return join(directory, name);
    };
    return {
      mode: 'mtls',
      ca: file('ca.crt', ca ?? (await this.authority).certificate),
      cert: file('tls.crt', identity.certificate),
      key: file('tls.key', identity.key),
    };
  }

  /** Runs a program of the repository with a configuration. */
  run(script: string, config: object, args: readonly string[] = []): Program {
    const file = this.path('config.yaml');
    writeFileSync(file, JSON.stringify(config));
    const program = new Program(
      spawn(process.execPath, [script, '--config', file, ...args], { stdio: 'pipe' }),
    );
    this.#processes.add(program);
    return program;
  }

  async remove(): Promise<void> {
    await Promise.all([...this.#processes].map((program) => program.end()));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A process and what it says. */
export class Program {
  stdout = '';
  stderr = '';
  /** Exit status; null if a signal ended it. */
  readonly exit: Promise<number | null>;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.exit = new Promise((resolve) => child.once('close', resolve));
    child.stdout?.on('data', (chunk) => {
      this.stdout += chunk;
    });
    child.stderr?.on('data', (chunk) => {
      this.stderr += chunk;
    });
  }

  /** @throws Error if it could not be started */
  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the program was not started');
    return this.#child.pid;
  }

  get output(): string {
    return this.stdout + this.stderr;
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** For good: a softswitch takes its data plane with it. */
  async end(): Promise<void> {
    if (this.ended) return;
    this.#child.kill('SIGINT');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_MS);
    await this.exit;
    clearTimeout(timer);
  }

  async kill(): Promise<void> {
    if (!this.ended) this.#child.kill('SIGKILL');
    await this.exit;
  }
}

/** Waits for a value other than undefined. */
export async function until<T>(
  what: string,
  look: () => T | undefined | Promise<T | undefined>,
  timeoutMs = 30_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`timed out waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Where a running manager listens, from its log. */
export async function managerAddresses(
  manager: Program,
): Promise<{ readonly listen: string; readonly metrics: string }> {
  return until('the manager to run', async () => {
    if (manager.ended) {
      await manager.exit;
      throw new Error(manager.stderr.trim().split('\n').at(-1));
    }
    const line = manager.stderr.split('\n').find((text) => text.includes('infra-manager runs'));
    if (line === undefined) return undefined;
    const { listen, monitoring } = JSON.parse(line) as { listen: string; monitoring: string };
    return { listen, metrics: monitoring };
  });
}
