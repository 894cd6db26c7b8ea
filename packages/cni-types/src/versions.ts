/** CNI specification versions that this package reads and writes, oldest first. */
export const supportedVersions = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

/** A supported version of the CNI specification. */
export type CniVersion = (typeof supportedVersions)[number];

/** The newest supported version: what is spoken when the other side's version is unknown. */
export const latestVersion: CniVersion = '1.1.0';

/** Whether `value` is a version that this package reads and writes. */
export function isSupportedVersion(value: unknown): value is CniVersion {
  return supportedVersions.some((version) => version === value);
}

/** Whether `version` is `minimum` or newer. */
export function isAtLeast(version: CniVersion, minimum: CniVersion): boolean {
  return supportedVersions.indexOf(version) >= supportedVersions.indexOf(minimum);
}
