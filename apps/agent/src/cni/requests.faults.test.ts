import { CniError } from '@infra-offload/cni-types';
import { faultTest, type Json, mutateJson, mutateText, Trial } from '@infra-offload/faults';
import { parseRequest } from './requests.js';

const key = { containerId: 'c1', ifname: 'eth0' };
const REQUESTS: Readonly<Record<string, Json>> = {
  prepare: { ...key, netns: '/run/netns/a' },
  attach: {
    ...key,
    netns: '/run/netns/a',
    network: 'pods',
    pod: { namespace: 'ns', name: 'web' },
    address: '10.244.0.2',
    mtu: 1400,
    routes: [{ dst: '10.0.0.0/8', gw: '10.244.0.1', mtu: 1400, priority: 5 }],
  },
  detach: key,
  check: { ...key, netns: '/run/netns/a', mac: '02:00:00:00:00:01', addresses: ['10.244.0.2'] },
  gc: { network: 'pods', valid: [key, { ...key, containerId: 'c2' }] },
  status: {},
};

faultTest(
  {
    fault: 'requests of the CNI plugin to the agent, damaged',
    promise: 'read, or refused with a CNI error',
    sample: 3_000,
    unit: 'input',
  },
  ({ cases, random }) => {
    const trial = new Trial((error) => CniError.is(error) && error.code > 0 && error.message !== '');
    for (let left = cases; left > 0; left--) {
      const [operation, request] = random.pick(Object.entries(REQUESTS));
      const json = JSON.stringify(mutateJson(random, request));
      trial.try(random.chance(20) ? mutateText(random, json) : json, (text) => parseRequest(operation, text));
    }
    return trial.measured;
  },
);
