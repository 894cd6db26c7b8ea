import { faultTest, tryYamlFiles } from '@infra-offload/faults';
import { ServiceError } from '@infra-offload/service';
import { loadConfig } from './load.js';

const OURS = `listen: 127.0.0.1:50002
tls: &tls {mode: mtls, cert: /a.crt, key: /a.key, ca: /ca.crt}
target:
  p4runtimeAddress: localhost:9559
  p4runtimeTls: *tls
  deviceId: 1
pipeline: {kind: auto}
interfaceType: tap
log: {level: info, modules: {server: debug}}
dataPlane: {drainSeconds: 60}
`;
const IPDK = `InfraManager:
  addr: 127.0.0.1:50002
  conn: mtls
  arpmac: "00:11:22:33:44:55"
  ciphersuites: [TLS_AES_256_GCM_SHA384]
Infrap4dGrpcServer: {addr: "localhost:9559", conn: mtls, clientCert: /c, clientKey: /k, caCert: /ca}
Infrap4dGnmiServer: {addr: "localhost:9339"}
InterfaceType: tap
DeviceID: 1
LogLevel: Info
Services: {}
`;

faultTest(
  {
    fault: "the manager's configuration, its own and IPDK's, damaged",
    promise: 'one line with file, line and column, or the configuration',
    sample: 100,
  },
  (run) => tryYamlFiles(run, [OURS, IPDK], loadConfig, ServiceError),
);
