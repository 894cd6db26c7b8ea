import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { faultTest, mutateYaml, Trial } from '@infra-offload/faults';
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
  ({ cases, random }) => {
    const directory = mkdtempSync(join(tmpdir(), 'softswitch-config-faults-'));
    const file = join(directory, 'config.yaml');
    try {
      const trial = new Trial(
        (error) =>
          ServiceError.is(error) && error.message.startsWith(`${file}:`) && !error.message.includes('\n'),
      );
      for (let left = cases; left > 0; left--) {
        trial.try(mutateYaml(random, CONFIG), (text) => {
          writeFileSync(file, text);
          return readConfig(file);
        });
      }
      return trial.measured;
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
);
