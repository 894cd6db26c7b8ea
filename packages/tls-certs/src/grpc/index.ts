export { TlsCertsError, type TlsCertsErrorCode } from '../errors.js';
export { channelCredentials } from './channel.js';
export { availableCipherSuites, cipherOptions, DEFAULT_CIPHER_SUITES } from './cipher-suites.js';
export { PEER_LIMITS, type PeerLimits, SERVER_OPTIONS } from './limits.js';
export {
  type Listener,
  type ListenOptions,
  listen,
  type PeerCounts,
  type ServerSecurity,
} from './listener.js';
export {
  type ClientSecurity,
  openClientSecurity,
  openServerSecurity,
  TLS_MODES,
  type TlsMode,
  type TlsSettings,
} from './security.js';
export {
  type CertificateFiles,
  CertificateSource,
  type CertificateSourceOptions,
  type TlsLogger,
} from './source.js';
