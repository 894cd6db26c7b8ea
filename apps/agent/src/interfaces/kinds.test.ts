import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { configSchema } from '../config/schema.js';
import { createPodInterfaces } from './kinds.js';

function create(settings: object) {
  const config = { ...configSchema.parse(settings), nodeName: 'node-1' };
  return createPodInterfaces(config, pino({ level: 'silent' }));
}

describe('createPodInterfaces', () => {
  it.each([
    [{}, 'interface P4TAP_0'],
    [{ tapPrefix: 'x' }, 'interface x0'],
    [{ interfaceType: 'ipvlan', interface: 'ens1' }, 'interface infra_host on ens1'],
    [{ interfaceType: 'sriov', interface: 'ens1' }, 'the interface of virtual function 1 of ens1'],
    [{ interfaceType: 'cdq', interface: 'ens1' }, 'subfunction interface ens1d5'],
  ])('takes the kind from the configuration: %j', (settings, label) => {
    expect(create(settings).hostInterfaceLabel).toBe(label);
  });

  it.each(['ipvlan', 'sriov', 'cdq'])('wants an interface for %s', (interfaceType) => {
    expect(() => create({ interfaceType })).toThrow(
      new RegExp(`^interfaceType ${interfaceType} needs interface: the name of the (master|physical)`),
    );
  });

  it.each(['', '..', 'a/b', 'a b', 'abcdefghijklmnop'])('refuses %j as an interface', (name) => {
    expect(() => create({ interfaceType: 'sriov', interface: name })).toThrow(/name of a network interface/);
  });
});
