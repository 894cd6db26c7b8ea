import { faultTest, tryYamlFiles } from '@infra-offload/faults';
import { ServiceError } from '@infra-offload/service';
import { loadConfig } from './load.js';

const OURS = `nodeName: node-1
managerAddress: 127.0.0.1:50002
cniSocket: /run/cni.sock
mtu: 1400
services: true
networkPolicy: off
serviceCidrs: [10.96.0.0/12]
podCidrs: [10.244.0.0/16]
hostInterface: {addresses: [10.0.0.1]}
uplink: {interface: u, mac: "02:00:00:00:00:01"}
kubernetes: {kubeconfig: /k}
log: {level: info, modules: {cni: debug}}
`;
const IPDK = `interfaceType: tap
interface: ""
hostIfaceMTU: 1500
managerAddr: 127.0.0.1
managerPort: 50002
logLevel: Info
policy: false
`;

faultTest(
  {
    fault: "the agent's configuration, its own and IPDK's, damaged",
    promise: 'one line that names the file and the place, or the configuration',
    sample: 300,
  },
  (run) => tryYamlFiles(run, [OURS, IPDK], loadConfig, ServiceError),
);
