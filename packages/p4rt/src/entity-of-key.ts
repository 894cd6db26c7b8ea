import { noBytes } from './bytes.js';
import type { Entity } from './gen/p4/v1/p4runtime.js';

/** An entity without its contents, to read or remove it: servers may take contents for a filter, or refuse them. */
export function entityOfKey(entity: Entity): Entity {
  const one = entity.entity;
  switch (one?.$case) {
    case 'tableEntry':
      return {
        entity: {
          $case: 'tableEntry',
          value: {
            ...one.value,
            action: undefined,
            controllerMetadata: 0n,
            meterConfig: undefined,
            counterData: undefined,
            meterCounterData: undefined,
            idleTimeoutNs: 0n,
            metadata: noBytes(),
          },
        },
      };
    case 'actionProfileMember':
      return { entity: { $case: 'actionProfileMember', value: { ...one.value, action: undefined } } };
    case 'actionProfileGroup':
      return { entity: { $case: 'actionProfileGroup', value: { ...one.value, members: [], maxSize: 0 } } };
    default:
      return entity;
  }
}
