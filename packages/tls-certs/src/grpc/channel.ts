import { isIP, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { CallCredentials, ChannelCredentials, type ChannelOptions, type experimental } from '@grpc/grpc-js';
import { messageOf } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import { nameOf } from '../material.js';
import { printable } from '../printable.js';
import { hostNames, ROLE_FACTS, type Role, roleOf } from '../roles.js';
import { explainFailure, explainVerification } from './explain.js';
import type { CertificateSource } from './source.js';

/**
 * Credentials of a client. Every new connection uses the certificates that the source has then; those that exist go on.
 *
 * The server has to prove the name that it is called by, and that it is not something else: a certificate that gives
 * another role is refused, one that gives none is not, since targets come with certificates of many makes.
 *
 * @param server what the server has to be
 */
export function channelCredentials(source: CertificateSource, server: Role): ChannelCredentials {
  return new SourceCredentials(source, server);
}

class SourceCredentials extends ChannelCredentials {
  readonly #source: CertificateSource;
  readonly #server: Role;

  constructor(source: CertificateSource, server: Role) {
    super();
    this.#source = source;
    this.#server = server;
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(
    target: experimental.GrpcUri,
    options: ChannelOptions,
    callCredentials: CallCredentials = CallCredentials.createEmpty(),
  ): experimental.SecureConnector {
    const name = options['grpc.ssl_target_name_override'] ?? hostOf(target);
    return {
      connect: (socket) => this.#connect(socket, name),
      waitForReady: async () => {},
      getCallCredentials: () => callCredentials,
      destroy: () => {},
    };
  }

  #connect(socket: Socket, name: string): Promise<experimental.SecureConnectResult> {
    return new Promise((resolve, reject) => {
      const secure = connect({
        socket,
        secureContext: this.#source.secureContext,
        // TLS has no way to ask for an address by name (RFC 6066, 3).
        servername: isIP(name) === 0 ? name : '',
        ALPNProtocols: ['h2'],
        // Checked below, where more can be said about what is wrong.
        rejectUnauthorized: false,
      });
      const fail = (reason: string) => {
        secure.destroy();
        // Without a name: gRPC prints the error as a string.
        reject(Object.assign(new Error(reason), { name: '' }));
      };
      const guard = new Guard((error) => fail(messageOf(error)));
      const failed = guard.handler((error: unknown) => fail(explainFailure(error)));
      const closed = guard.handler(() => fail('the server closed the connection before TLS was set up'));
      secure.once('error', failed);
      secure.once('close', closed);
      secure.once(
        'secureConnect',
        guard.handler(() => {
          secure.off('close', closed);
          const reason = whyRefused(secure, name, this.#server);
          if (reason !== undefined) {
            fail(reason);
            return;
          }
          secure.off('error', failed);
          resolve({ socket: secure, secure: true });
        }),
      );
    });
  }
}

/** Why a server is not the right one; undefined if it is. */
function whyRefused(socket: TLSSocket, name: string, wanted: Role): string | undefined {
  const presented = socket.getPeerX509Certificate();
  if (presented === undefined) return 'the server has no certificate';
  if (!socket.authorized) {
    // An Error according to the types, but a code here. Names are looked at below.
    const reason: unknown = socket.authorizationError;
    if (reason !== 'ERR_TLS_CERT_ALTNAME_INVALID') return explainVerification(String(reason), presented);
  }
  const isNamed = isIP(name) === 0 ? presented.checkHost(name) : presented.checkIP(name);
  if (isNamed === undefined) {
    const names = hostNames(presented.subjectAltName).join(', ');
    const what = names === '' ? 'names nothing' : `is for ${printable(names)}`;
    return `the certificate ${nameOf(presented)} of the server is not for ${name}: it ${what}`;
  }
  const role = roleOf(presented);
  if (role === undefined || role === wanted) return undefined;
  return `the server is not ${ROLE_FACTS[wanted].holder}: its certificate ${nameOf(presented)} is that of ${ROLE_FACTS[role].holder}`;
}

/** What the server has to be named in its certificate. */
function hostOf({ scheme, path }: experimental.GrpcUri): string {
  if (scheme?.startsWith('unix') === true) return 'localhost';
  const [, bracketed, plain] = /^(?:\[(.*)\]|([^:]*))(?::\d+)?$/.exec(path) ?? [];
  return bracketed ?? plain ?? path;
}
