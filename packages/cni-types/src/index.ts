export { type AddressPrefix, isAddress, parseAddressPrefix } from './address.js';
export { type CniArgs, parseCniArgs } from './args.js';
export {
  type DerivedFields,
  derivePluginConfig,
  type NetworkConfigList,
  type PluginConfig,
  parseNetworkConfig,
  parsePluginConfig,
} from './config.js';
export {
  type AttachmentKey,
  type CniCommand,
  type CniInvocation,
  checkContainerId,
  checkIfname,
  checkNetns,
  cniCommands,
  parseEnvironment,
} from './environment.js';
export { CniError, CniErrorCode, type CniErrorJson } from './error.js';
export { decodeText, excerpt, parseJson } from './json.js';
export {
  type Dns,
  formatResult,
  parseResult,
  type Result,
  type ResultInterface,
  type ResultIp,
  type ResultRoute,
} from './result.js';
export {
  type CniVersion,
  isAtLeast,
  isSupportedVersion,
  latestVersion,
  supportedVersions,
} from './versions.js';
