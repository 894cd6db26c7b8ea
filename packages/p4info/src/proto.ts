/** Wire messages of `p4.config.v1`, generated from `proto/`, with google.protobuf.Any. */
export { Any } from './gen/google/protobuf/any.js';
export * from './gen/p4/config/v1/p4info.js';
