export type { Backup, Change, Database, ObjectInput } from './database.js';
export { DirectoryFollower, type DirectoryOptions } from './directory.js';
export type { Fault, FaultRule } from './faults.js';
export { applyObjects, readManifests } from './manifests.js';
export type { KubeObject, ObjectMeta, ObjectRef } from './objects.js';
export { FakeApiServer, type FakeApiServerOptions, type SeenRequest } from './server.js';
export { StatusError } from './status.js';
