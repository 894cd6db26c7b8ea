import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { faultTest, type Json, mutateJson, mutateYaml, Trial } from '@infra-offload/faults';
import { KubeConfig } from '@kubernetes/client-node';
import { KubernetesApiError } from './error.js';
import { loadKubeconfig } from './kubeconfig.js';

const CONFIG: Json = {
  apiVersion: 'v1',
  kind: 'Config',
  'current-context': 'a',
  clusters: [{ name: 'c', cluster: { server: 'https://192.0.2.1:6443', 'certificate-authority': 'ca.crt' } }],
  contexts: [{ name: 'a', context: { cluster: 'c', user: 'u', namespace: 'n' } }],
  users: [
    {
      name: 'u',
      user: { token: 't', exec: { command: 'x', args: ['y'], env: [{ name: 'A', value: 'b' }] } },
    },
  ],
};
const YAML = `apiVersion: v1
current-context: a
clusters:
- {name: c, cluster: {server: "http://192.0.2.1:8080"}}
contexts:
- {name: a, context: {cluster: c, user: u}}
users:
- name: u
  user: {tokenFile: token}
`;

faultTest(
  {
    fault: 'kubeconfig files, damaged',
    promise: 'loaded, or refused with the place and what is wrong',
    sample: 100,
  },
  ({ cases, random }) => {
    const directory = mkdtempSync(join(tmpdir(), 'kubeconfig-faults-'));
    const file = join(directory, 'config');
    try {
      const trial = new Trial(
        (error) =>
          KubernetesApiError.is(error) &&
          error.code === 'CONFIG' &&
          error.message.startsWith(`kubeconfig ${file}:`) &&
          !error.message.includes('\n'),
      );
      for (let left = cases; left > 0; left--) {
        const text = random.chance(50)
          ? JSON.stringify(mutateJson(random, CONFIG))
          : mutateYaml(random, YAML);
        trial.try(text, () => {
          writeFileSync(file, text);
          const config = new KubeConfig();
          loadKubeconfig(config, file, undefined);
          return config.getCurrentCluster()?.server.startsWith('http');
        });
      }
      return trial.measured;
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
);
