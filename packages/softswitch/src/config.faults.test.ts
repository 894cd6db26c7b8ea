import { faultTest, tryYamlFiles } from '@infra-offload/faults';
import { ServiceError } from '@infra-offload/service';
import { readConfig } from './config.js';

const CONFIG = `p4runtime: 127.0.0.1:9559
gnmi: unix:/run/gnmi.sock
deviceId: 1
taps: {prefix: P4TAP_, count: 16, mtu: 1500}
dataplane: dpdk
dpdk: {host: swx-host, hugepages: false, memoryMb: 1024, ports: 16, cpu: 1}
tls: {mode: mtls, cert: /a, key: /b, ca: /c}
log: {level: info}
`;

faultTest(
  {
    fault: "the softswitch's configuration, damaged",
    promise: 'one line with file, line and column, or the configuration',
    sample: 300,
  },
  (run) => tryYamlFiles(run, [CONFIG], readConfig, ServiceError),
);
