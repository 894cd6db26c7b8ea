import { faultTest, type Json, mutateJson, mutateText, Trial } from '@infra-offload/faults';
import {
  CniError,
  parseCniArgs,
  parseEnvironment,
  parseNetworkConfig,
  parsePluginConfig,
  parseResult,
} from './index.js';

const PLUGIN: Json = {
  cniVersion: '1.1.0',
  name: 'pods',
  type: 'infra-cni',
  capabilities: { ips: true },
  runtimeConfig: { ips: ['10.0.0.2/24'] },
  args: { cni: { ips: ['10.0.0.2'] } },
  ipam: { type: 'host-local', ranges: [[{ subnet: '10.0.0.0/24' }]] },
  dns: { nameservers: ['10.96.0.10'] },
  prevResult: { cniVersion: '1.1.0', ips: [{ address: '10.0.0.2/24', interface: 0 }] },
  'cni.dev/valid-attachments': [{ containerID: 'c1', ifname: 'eth0' }],
};
const LIST: Json = {
  cniVersion: '1.0.0',
  cniVersions: ['1.0.0', '1.1.0'],
  name: 'pods',
  plugins: [PLUGIN],
  disableGC: false,
};
const RESULT: Json = {
  cniVersion: '1.1.0',
  interfaces: [{ name: 'eth0', mac: '02:00:00:00:00:01', sandbox: '/run/netns/a', mtu: 1500 }],
  ips: [{ address: '10.0.0.2/24', gateway: '10.0.0.1', interface: 0 }],
  routes: [{ dst: '0.0.0.0/0', gw: '10.0.0.1', mtu: 1400 }],
  dns: { nameservers: ['10.96.0.10'], domain: 'cluster.local' },
};
const ARGS = 'IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=web;IP=10.0.0.2';

faultTest(
  {
    fault: 'CNI configurations, results, arguments and environments, damaged',
    promise: 'read, or refused with a CNI error',
    sample: 1_500,
    unit: 'input',
  },
  ({ cases, random }) => {
    const trial = new Trial((error) => CniError.is(error) && error.code > 0 && error.message !== '');
    const text = (value: Json) => {
      const json = JSON.stringify(mutateJson(random, value));
      return random.chance(20) ? mutateText(random, json) : json;
    };
    for (let left = cases; left > 0; left--) {
      switch (random.below(4)) {
        case 0:
          trial.try(text(PLUGIN), parsePluginConfig);
          break;
        case 1:
          trial.try(text(LIST), parseNetworkConfig);
          break;
        case 2:
          trial.try(mutateJson(random, RESULT), (value) => parseResult(value));
          break;
        default:
          trial.try(mutateText(random, ARGS), (args) => {
            parseCniArgs(args);
            parseEnvironment({
              CNI_COMMAND: 'ADD',
              CNI_CONTAINERID: args.slice(0, 20),
              CNI_IFNAME: args.slice(20, 35),
              CNI_NETNS: args,
              CNI_PATH: args,
              CNI_ARGS: args,
            });
          });
      }
    }
    return trial.measured;
  },
);
