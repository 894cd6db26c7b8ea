import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { faultTest, hostileJson, mutateJson, mutateText, type Random } from '@infra-offload/faults';
import { afterAll, expect } from 'vitest';
import { runPlugin } from './plugin.js';

/** Nobody listens here, and there is no plugin. */
const directory = mkdtempSync(join(tmpdir(), 'infra-cni-faults-'));
afterAll(() => rmSync(directory, { recursive: true }));

const commands = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION', 'PAINT', ''];

const configuration = {
  cniVersion: '1.1.0',
  name: 'pods',
  type: 'infra-cni',
  mtu: 1400,
  socket: join(directory, 'cni.sock'),
  capabilities: { ips: true },
  runtimeConfig: { ips: ['10.1.0.5/32'] },
  args: { cni: { ips: ['10.1.0.5'] } },
  dns: { nameservers: ['10.96.0.10'], search: ['svc'] },
  prevResult: {
    cniVersion: '0.4.0',
    interfaces: [{ name: 'eth0', mac: '02:00:00:00:00:01', sandbox: '/x' }],
    ips: [{ version: '4', address: '10.1.0.5/24', gateway: '10.1.0.1', interface: 0 }],
    routes: [{ dst: '0.0.0.0/0' }],
    dns: {},
  },
  'cni.dev/valid-attachments': [{ containerID: 'a', ifname: 'eth0' }],
};

const withIpam = {
  ...configuration,
  runtimeConfig: {},
  args: {},
  ipam: { type: 'host-local', ranges: [[]] },
};

function inputOf(random: Random): string {
  if (random.chance(5)) return JSON.stringify(hostileJson(random));
  const text = JSON.stringify(mutateJson(random, random.pick([configuration, withIpam])));
  const at = random.below(text.length + 1);
  // Deeper than any stack.
  if (random.chance(3)) return text.slice(0, at) + '['.repeat(100_000) + text.slice(at);
  return random.chance(40) ? mutateText(random, text) : text;
}

function environmentOf(random: Random): Record<string, string | undefined> {
  const odd = (good: string) =>
    random.chance(85) ? good : random.pick(['', '/', '..', 'a b', '-x', 'x'.repeat(300), 'é\n', '%s']);
  return {
    CNI_COMMAND: random.pick(commands),
    CNI_CONTAINERID: odd('c1'),
    CNI_IFNAME: odd('eth0'),
    CNI_NETNS: odd('/var/run/netns/none'),
    CNI_ARGS: odd('IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart'),
    CNI_PATH: directory,
  };
}

faultTest(
  {
    fault: 'environment and standard input of infra-cni, changed and damaged',
    promise:
      'success, or one CNI error with a code in JSON on standard output; never a fault of the plugin itself',
    sample: 500,
  },
  async ({ cases, random }) => {
    const codes = new Map<number, number>();
    let slowestMs = 0;
    for (let i = 0; i < cases; i++) {
      const [env, stdin] = [environmentOf(random), inputOf(random)];
      const began = performance.now();
      const { output, exitCode } = await runPlugin(env, stdin);
      slowestMs = Math.max(slowestMs, performance.now() - began);
      const json = output === '' ? {} : JSON.parse(output);
      const code = exitCode === 0 ? 0 : json.code;
      const what = `case ${i}: ${JSON.stringify(env)} ${stdin.slice(0, 500)} gave ${output.slice(0, 500)}`;
      if (exitCode !== 0) {
        expect(json, what).toMatchObject({ cniVersion: expect.any(String), msg: expect.any(String) });
        expect(output.length, what).toBeLessThan(20_000);
      }
      // 999 is a fault of the plugin itself.
      expect([0, 1, 4, 6, 7, 11, 50, 104], what).toContain(code);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    const counts = [...codes].sort(([a], [b]) => a - b).map(([code, count]) => `${code}: ${count}`);
    return `codes ${counts.join(', ')}; slowest ${slowestMs.toFixed(0)} ms`;
  },
);
