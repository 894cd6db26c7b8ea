export { ConfigFile, type Settings } from './config-file.js';
export { type DuplicateKey, type ReadOptions, readDocuments, type YamlDocument } from './documents.js';
export { oneLine, type Position, YamlError, type YamlErrorCode, type YamlErrorDetails } from './error.js';
export { decodeText, readTextFile, readTextFileSync } from './file.js';
export { type JsonOptions, MAX_JSON_DEPTH, parseJson } from './json.js';
export { CONFIG_LIMITS, type Limits, MANIFEST_LIMITS } from './limits.js';
export { type Parsed, safeParse } from './safe-parse.js';
