import { spawnSync } from 'node:child_process';
import { isSystemError, messageOf } from '@infra-offload/base';
import { stringify } from 'yaml';
import { TlsCertsError } from './errors.js';
import { readPem } from './files.js';
import { filesOf, LEAVES } from './layout.js';
import { chainTo, checkDates, checkKey, readCertificates, readPrivateKey } from './material.js';

/** A Secret of the Kubernetes API, with what pods mount. */
export interface SecretManifest {
  readonly apiVersion: 'v1';
  readonly kind: 'Secret';
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly type: 'Opaque';
  readonly data: Readonly<Record<'ca.crt' | 'tls.crt' | 'tls.key', string>>;
}

/**
 * The Secrets of a tree: `manager-server-secret`, `manager-client-secret`, `agent-client-secret`, `target-server-secret`.
 *
 * @throws TlsCertsError if a certificate is missing or cannot be used
 */
export function secretManifests(root: string, namespace = 'kube-system'): SecretManifest[] {
  return LEAVES.flatMap((leaf): SecretManifest[] => {
    if (leaf.secret === undefined) return [];
    const at = filesOf(root, leaf);
    const [ca, cert, key] = [readPem(at.ca), readPem(at.cert), readPem(at.key)];
    const [certificate, ...others] = readCertificates(cert);
    checkKey(certificate, readPrivateKey(key), at);
    checkDates(certificate, at.cert, new Date());
    chainTo(certificate, others, readCertificates(ca), at);
    return [
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: leaf.secret, namespace },
        // As `kubectl create secret generic` makes them, because the type of an existing one cannot be changed.
        type: 'Opaque',
        data: { 'ca.crt': base64(ca.text), 'tls.crt': base64(cert.text), 'tls.key': base64(key.text) },
      },
    ];
  });
}

/** Manifests as YAML documents. */
export function formatSecrets(manifests: readonly SecretManifest[]): string {
  return manifests.map((manifest) => stringify(manifest, { lineWidth: 0, version: '1.1' })).join('---\n');
}

/**
 * Has kubectl apply manifests, on the server's side: else it would keep a copy of the keys in an annotation.
 *
 * @returns what kubectl says
 * @throws TlsCertsError KUBECTL
 */
export function applySecrets(manifests: readonly SecretManifest[], kubectl = 'kubectl'): string {
  const args = ['apply', '--server-side', '--force-conflicts', '--field-manager=tls-certs', '-f', '-'];
  const { error, status, stdout, stderr } = spawnSync(kubectl, args, {
    input: formatSecrets(manifests),
    encoding: 'utf8',
  });
  if (error !== undefined) {
    const reason = isSystemError(error, 'ENOENT') ? 'it is not installed' : messageOf(error);
    throw new TlsCertsError('KUBECTL', `${kubectl} cannot be run: ${reason}`, { cause: error });
  }
  if (status !== 0) {
    throw new TlsCertsError(
      'KUBECTL',
      `${kubectl} apply failed: ${stderr.trim().replace(/\s*\n\s*/g, '; ')}`,
    );
  }
  return stdout;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
