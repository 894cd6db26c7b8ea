export {
  createAuthority,
  type Identity,
  issue,
  type LeafOptions,
  STANDARD_NAMES,
  type Validity,
} from './authority.js';
export { TlsCertsError, type TlsCertsErrorCode } from './errors.js';
export { formatReports, inspectTree, type Report } from './inspect.js';
export { KEY_BITS, type KeyBits } from './keys.js';
export { authorityFiles, filesOf, type IdentityFiles, LEAVES, type Leaf } from './layout.js';
export { ROLES, type Role, roleOf, roleUri } from './roles.js';
export { applySecrets, formatSecrets, type SecretManifest, secretManifests } from './secrets.js';
export { type CreateOptions, createTree, type Renewal, type RenewOptions, renewTree } from './tree.js';
