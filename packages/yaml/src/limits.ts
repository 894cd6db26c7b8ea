/** How much of a text is read. */
export interface Limits {
  /** Of a file. */
  readonly bytes: number;
  /** Characters of one YAML document; JSON, which costs a tenth, has the limit of the file only. */
  readonly yamlLength: number;
  /** Mappings and sequences within each other. */
  readonly depth: number;
  /** Values of one YAML document, with what its aliases stand for. */
  readonly nodes: number;
}

/** Documents of manifests: a list of all services of a large cluster fits in. */
export const MANIFEST_LIMITS: Limits = {
  bytes: 64 * 1024 * 1024,
  yamlLength: 16 * 1024 * 1024,
  depth: 200,
  nodes: 1_000_000,
};

/** Configurations that people write. */
export const CONFIG_LIMITS: Limits = {
  bytes: 1024 * 1024,
  yamlLength: 1024 * 1024,
  depth: 100,
  nodes: 100_000,
};

/** `16 MiB`, `500 bytes`. */
export function formatSize(bytes: number): string {
  return bytes >= 1024 * 1024 ? `${Math.round(bytes / (1024 * 1024))} MiB` : `${bytes} bytes`;
}
