import type { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { isSystemError, Listeners, messageOf } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import { TlsCertsError } from '../errors.js';
import { readPem, readPemAsync } from '../files.js';
import {
  chainTo,
  checkDates,
  checkKey,
  checkRoots,
  checkUsage,
  datesOf,
  nameOf,
  type PemFile,
  readCertificates,
  readPrivateKey,
  stamp,
  unreadable,
} from '../material.js';
import { availableCipherSuites, cipherOptions } from './cipher-suites.js';

/** How often the files are looked at. */
const POLL_MS = 1_000;
/** How long before its end a certificate is worth a warning. */
const SOON_MS = 14 * 86_400_000;

/** What logs; pino's loggers do. */
export interface TlsLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface CertificateFiles {
  /** Own certificate, with those between it and the authority behind it. Servers have one, and clients in mutual TLS. */
  readonly cert?: string;
  readonly key?: string;
  /** Authorities: of `cert`, and of the other side. Servers without mutual TLS need none. */
  readonly ca?: string;
}

export interface CertificateSourceOptions {
  readonly files: CertificateFiles;
  readonly usage: 'server' | 'client';
  /** IANA names. Default: all that HTTP/2 allows and Node has. */
  readonly cipherSuites?: readonly string[];
  readonly logger?: TlsLogger;
}

interface Loaded {
  readonly options: SecureContextOptions;
  readonly context: SecureContext;
  readonly certificate: X509Certificate | undefined;
  /** When the last of the certificates begins. */
  readonly notBefore: Date;
  /** When the first of the certificates ends. */
  readonly notAfter: Date;
}

type Contents = { readonly [F in keyof CertificateFiles]: PemFile | TlsCertsError };

/**
 * Certificates in files, read anew when they change: by atomic renames, by overwriting, by the symlink swap of a Secret's
 * volume. What cannot be used is refused at the start; later, the last good ones stay in use, and `problem` tells.
 */
export class CertificateSource {
  readonly #options: CertificateSourceOptions;
  readonly #listeners = new Listeners<[options: SecureContextOptions]>();
  #contents: Contents;
  #loaded: Loaded;
  /** Why the files cannot be used, once they have been so for two looks: they may be in the middle of a change. */
  #problem: string | undefined;
  #suspicion: string | undefined;
  #said: string | undefined;
  readonly #timer: NodeJS.Timeout;

  /**
   * @throws TlsCertsError FILE, PEM, KEY_MISMATCH, EXPIRED, NOT_YET_VALID, CA_MISMATCH, NO_ROOT, USAGE, or INVALID for the
   *   cipher suites; the message is one line that names the file
   */
  static open(options: CertificateSourceOptions): CertificateSource {
    return new CertificateSource(options);
  }

  private constructor(options: CertificateSourceOptions) {
    this.#options = options;
    this.#contents = readSync(options.files);
    this.#loaded = load(options, this.#contents);
    this.#warnOfEnd();
    const guard = new Guard((error) =>
      options.logger?.error({ err: error }, 'certificates could not be checked'),
    );
    this.#timer = setInterval(
      guard.handler(() => this.refresh()),
      POLL_MS,
    );
    this.#timer.unref();
  }

  /** What new connections use. */
  get secureContext(): SecureContext {
    return this.#loaded.context;
  }

  get contextOptions(): SecureContextOptions {
    return this.#loaded.options;
  }

  /** Own certificate; undefined for clients without one. */
  get certificate(): X509Certificate | undefined {
    return this.#loaded.certificate;
  }

  /** When the first of the certificates in use ends. */
  get notAfter(): Date {
    return this.#loaded.notAfter;
  }

  /** Whether the certificates in use, and those above them, are valid now. */
  get isValid(): boolean {
    const now = new Date();
    return this.#loaded.notBefore <= now && now <= this.#loaded.notAfter;
  }

  /** Why certificates are in use that should not be; undefined if all is well. For a readiness check. */
  get problem(): string | undefined {
    if (this.#problem !== undefined) return this.#problem;
    const { notBefore, notAfter } = this.#loaded;
    const { cert, ca } = this.#options.files;
    const now = new Date();
    if (now > notAfter) return `${cert ?? ca}: the certificate in use expired on ${stamp(notAfter)}`;
    // The clock has been put back since it was read.
    if (now >= notBefore) return undefined;
    return `${cert ?? ca}: the certificate in use is not valid before ${stamp(notBefore)}; it is ${stamp(now)} here`;
  }

  /** Calls a listener with what new connections are to use, whenever that changes. Returns what ends it. */
  onChange(listener: (options: SecureContextOptions) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Looks at the files now instead of within a second. */
  async refresh(): Promise<void> {
    const contents = await read(this.#options.files);
    const isSame = sameContents(contents, this.#contents);
    this.#contents = contents;
    if (!isSame || this.#suspicion !== undefined) this.#check(contents);
    this.#say();
  }

  /** Stops looking. */
  close(): void {
    clearInterval(this.#timer);
    this.#listeners.clear();
  }

  #check(contents: Contents): void {
    try {
      this.#loaded = load(this.#options, contents);
      this.#problem = undefined;
      this.#suspicion = undefined;
    } catch (error) {
      const reason = messageOf(error);
      if (reason === this.#suspicion) this.#problem = `${reason}; the last good certificate stays in use`;
      this.#suspicion = reason;
      return;
    }
    this.#options.logger?.info(this.#fields(), 'certificates were replaced; new connections use them');
    this.#listeners.emit(this.#loaded.options);
    this.#warnOfEnd();
  }

  #say(): void {
    const { problem } = this;
    if (problem !== undefined && problem !== this.#said) {
      this.#options.logger?.warn({ reason: problem }, 'certificates cannot be used');
    }
    this.#said = problem;
  }

  #warnOfEnd(): void {
    const left = this.#loaded.notAfter.getTime() - Date.now();
    if (left < SOON_MS) this.#options.logger?.warn(this.#fields(), 'the certificate expires soon: renew it');
  }

  #fields(): object {
    const { certificate, notAfter } = this.#loaded;
    const { cert, ca } = this.#options.files;
    return {
      file: cert ?? ca,
      ...(certificate && { certificate: nameOf(certificate), serial: certificate.serialNumber }),
      notAfter: stamp(notAfter),
    };
  }
}

/** What to do about files that are not there. */
const HINT = "; 'tls-certs create' makes certificates, and the mode insecure goes without";

const NAMES = ['cert', 'key', 'ca'] as const;

function readSync(files: CertificateFiles): Contents {
  return collect(files, (file) => {
    try {
      return readPem(file);
    } catch (error) {
      if (!TlsCertsError.is(error)) throw error;
      return isSystemError(error.cause, 'ENOENT') ? unreadable(file, error.cause, HINT) : error;
    }
  });
}

async function read(files: CertificateFiles): Promise<Contents> {
  const found = new Map<string, PemFile | TlsCertsError>();
  for (const name of NAMES) {
    const file = files[name];
    if (file === undefined) continue;
    found.set(file, await readPemAsync(file).catch((error: unknown) => asTlsCertsError(file, error)));
  }
  return collect(files, (file) => found.get(file) ?? unreadable(file, 'not read'));
}

function asTlsCertsError(file: string, error: unknown): TlsCertsError {
  return TlsCertsError.is(error) ? error : unreadable(file, error);
}

function collect(files: CertificateFiles, of: (file: string) => PemFile | TlsCertsError): Contents {
  const { cert, key, ca } = files;
  return {
    ...(ca !== undefined && { ca: of(ca) }),
    ...(cert !== undefined && { cert: of(cert) }),
    ...(key !== undefined && { key: of(key) }),
  };
}

function sameContents(a: Contents, b: Contents): boolean {
  return NAMES.every((name) => textOf(a[name]) === textOf(b[name]));
}

function textOf(content: PemFile | TlsCertsError | undefined): string {
  return content instanceof Error ? String(content) : (content?.text ?? '');
}

/** Checks everything that can be checked without the other side. */
function load({ usage, cipherSuites }: CertificateSourceOptions, contents: Contents): Loaded {
  const now = new Date();
  const pem = (name: (typeof NAMES)[number]) => {
    const content = contents[name];
    if (content instanceof Error) throw content;
    return content;
  };
  const [ca, cert, key] = [pem('ca'), pem('cert'), pem('key')];
  const authorities = ca && readCertificates(ca);
  const ends: X509Certificate[] = [];
  let certificate: X509Certificate | undefined;
  if (cert !== undefined) {
    const [leaf, ...others] = readCertificates(cert);
    certificate = leaf;
    if (key === undefined)
      throw new TlsCertsError('KEY_MISMATCH', `${cert.file}: the certificate has no key beside it`);
    checkKey(leaf, readPrivateKey(key), { cert: cert.file, key: key.file }, others);
    checkDates(leaf, cert.file, now);
    checkUsage(leaf, cert.file, usage);
    ends.push(leaf);
    if (ca !== undefined && authorities !== undefined) {
      const path = chainTo(leaf, others, authorities, { cert: cert.file, ca: ca.file });
      for (const above of path) checkDates(above, authorities.includes(above) ? ca.file : cert.file, now);
      ends.push(...path);
      checkRoots(authorities, ca.file, path.at(-1));
    }
  } else if (ca !== undefined && authorities !== undefined) {
    // Of a bundle, the one that lasts counts.
    const last = authorities.reduce((a, b) => (datesOf(a).notAfter < datesOf(b).notAfter ? b : a));
    checkDates(last, ca.file, now);
    checkRoots(authorities, ca.file);
    ends.push(last);
  }
  const options: SecureContextOptions = {
    ...(ca && { ca: ca.text }),
    ...(cert && { cert: cert.text }),
    ...(key && { key: key.text }),
    ...cipherOptions(cipherSuites ?? availableCipherSuites()),
  };
  try {
    const notBefore = new Date(Math.max(...ends.map((end) => datesOf(end).notBefore.getTime())));
    const notAfter = new Date(Math.min(...ends.map((end) => datesOf(end).notAfter.getTime())));
    return { options, context: createSecureContext(options), certificate, notBefore, notAfter };
  } catch (error) {
    // Keys that OpenSSL finds too small, for example.
    const reason = /SSL routines:[^:]*:([^:]+)/.exec(messageOf(error))?.[1] ?? messageOf(error);
    throw new TlsCertsError('INVALID', `${cert?.file ?? ca?.file}: OpenSSL cannot use it: ${reason}`, {
      cause: error,
    });
  }
}
