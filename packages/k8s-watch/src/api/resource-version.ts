/**
 * Whether the first version is older than the second. Versions of Kubernetes' own resources are decimal numbers of any
 * length that only grow (KEP-5504 made that a promise); of anything else nothing can be told.
 */
export function isOlder(version: string, than: string | undefined): boolean {
  if (than === undefined || !isNumber(version) || !isNumber(than)) return false;
  return version.length === than.length ? version < than : version.length < than.length;
}

function isNumber(version: string): boolean {
  return /^(0|[1-9]\d*)$/.test(version);
}
