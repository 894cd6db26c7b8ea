import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority, type Identity, issue, type LeafOptions } from '../authority.js';
import type { IdentityFiles } from '../layout.js';
import type { Role } from '../roles.js';

const DAY_MS = 86_400_000;

/** Dates for certificates that are wrong in the obvious way. */
export const expired = {
  notBefore: new Date(Date.now() - 2 * DAY_MS),
  notAfter: new Date(Date.now() - DAY_MS),
};
export const future = {
  notBefore: new Date(Date.now() + DAY_MS),
  notAfter: new Date(Date.now() + 2 * DAY_MS),
};

/** A directory, and authorities with small keys that put certificates into it. */
export class Scratch {
  readonly directory = mkdtempSync(join(tmpdir(), 'tls-certs-'));
  #authority: Promise<Identity> | undefined;
  #other: Promise<Identity> | undefined;
  #files = 0;

  get authority(): Promise<Identity> {
    this.#authority ??= createAuthority({ bits: 2048 });
    return this.#authority;
  }

  /** Of the same name, with another key. */
  get other(): Promise<Identity> {
    this.#other ??= createAuthority({ bits: 2048 });
    return this.#other;
  }

  async issue(role: Role, options: LeafOptions = {}, authority = this.authority): Promise<Identity> {
    return issue(await authority, role, { bits: 2048, ...options });
  }

  /** Writes an identity as agent and manager have it. */
  async put(identity: Identity, authority = this.authority): Promise<IdentityFiles> {
    const directory = join(this.directory, String(this.#files++));
    mkdirSync(directory);
    const files = {
      ca: join(directory, 'ca.crt'),
      cert: join(directory, 'tls.crt'),
      key: join(directory, 'tls.key'),
    };
    writeFileSync(files.ca, (await authority).certificate);
    writeFileSync(files.cert, identity.certificate);
    writeFileSync(files.key, identity.key);
    return files;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
