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
  CNI_COMMANDS,
  type CniCommand,
  type CniInvocation,
  checkContainerId,
  checkIfname,
  checkNetns,
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
  LATEST_VERSION,
  SUPPORTED_VERSIONS,
} from './versions.js';
