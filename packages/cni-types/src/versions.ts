/** CNI specification versions that this package reads and writes, oldest first. */
export const SUPPORTED_VERSIONS = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

/** A supported version of the CNI specification. */
export type CniVersion = (typeof SUPPORTED_VERSIONS)[number];

/** The newest supported version: what is spoken when the other side's version is unknown. */
export const LATEST_VERSION: CniVersion = '1.1.0';

/** Whether `value` is a version that this package reads and writes. */
export function isSupportedVersion(value: unknown): value is CniVersion {
  return SUPPORTED_VERSIONS.some((version) => version === value);
}

/** Whether `version` is `minimum` or newer. */
export function isAtLeast(version: CniVersion, minimum: CniVersion): boolean {
  return SUPPORTED_VERSIONS.indexOf(version) >= SUPPORTED_VERSIONS.indexOf(minimum);
}
