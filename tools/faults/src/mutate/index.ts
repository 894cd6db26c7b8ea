export { crossBytes, mutateBytes } from './bytes.js';
export { type Growth, growthOf } from './growth.js';
export { hostileJson, type Json, mutateJson } from './json.js';
export { mutateDer, mutatePem } from './pem.js';
export { HOSTILE_PIECES, mutateText } from './text.js';
export { Trial } from './trial.js';
export { mutateWire, varint, wireField } from './wire.js';
export { mutateYaml, YAML_ATTACKS } from './yaml.js';
export { tryYamlFiles } from './yaml-files.js';
