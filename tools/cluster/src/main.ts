#!/usr/bin/env node
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '@infra-offload/base';
import { Cluster, kubernetesPrograms } from './cluster.js';
import { writeResults } from './conformance.js';
import { type E2eResult, listE2e, runE2e } from './e2e.js';
import { buildImages, testImages } from './images.js';
import { install } from './install.js';
import { installKubeProxy } from './kube-proxy.js';
import type { TargetKind } from './node-config.js';
import { hasSctp, notApplicable, patternOf } from './not-applicable.js';
import { runScenarios, writeScenarios } from './scenarios/run.js';
import { type Network, Stage } from './scenarios/stage.js';

const EXIT_INTERRUPTED = 130;
const USAGE = `usage: cluster [--nodes N] [--target KIND] [--e2e REGEXP | --scenarios REGEXP] [--document FILE]
Runs a Kubernetes cluster on this machine, with infra-offload as its only network, until Ctrl-C.
  --nodes N          number of nodes (default: 1)
  --target KIND      what processes the nodes' packets: engine or dpdk (default: engine); kube-proxy: neither, but
                     the kernel, with kube-proxy and the CNI project's bridge instead of infra-offload
  --e2e REGEXP       runs Kubernetes' own tests whose names match, and exits
  --scenarios REGEXP plays the scenarios whose names match, counts requests that fail meanwhile, and exits
  --document FILE    writes the results into FILE, such as docs/conformance.md
KUBE_BIN is the directory with Kubernetes' programs, etcd and containerd.`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      nodes: { type: 'string', default: '1' },
      target: { type: 'string', default: 'engine' },
      e2e: { type: 'string' },
      scenarios: { type: 'string' },
      document: { type: 'string' },
    },
  });
  const { target, e2e, scenarios, document } = values;
  const nodes = Number(values.nodes);
  if (!Number.isInteger(nodes) || nodes < 1 || !isTarget(target)) {
    console.error(USAGE);
    return 2;
  }
  const { bin, reason } = kubernetesPrograms();
  if (bin === undefined) {
    console.error(`cluster: ${reason}`);
    return 2;
  }
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());
  const stopped = once(stop.signal, 'abort');
  const started = performance.now();
  const told = (what: string) =>
    console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${what}`);
  const archives = mkdtempSync(join(tmpdir(), 'iofk-images-'));
  try {
    const images = await buildImages(bin, archives);
    told('images are built');
    const cluster = await Cluster.create({ bin, nodes, images });
    try {
      told(`Kubernetes runs: ${cluster.nodes.map(({ name, address }) => `${name} ${address}`).join(', ')}`);
      const installed = installNetwork(cluster, target);
      await Promise.race([installed, stopped]);
      if (stop.signal.aborted) {
        // It fails when its cluster goes.
        installed.catch(() => undefined);
        return EXIT_INTERRUPTED;
      }
      told('the network is installed, and all nodes are ready');
      if (scenarios !== undefined) {
        const stage = new Stage(cluster, await installed, (await testImages(bin)).agnhost);
        const results = await runScenarios(stage, new RegExp(scenarios), told);
        const title = `${target}, ${nodes} ${nodes === 1 ? 'node' : 'nodes'}`;
        if (document !== undefined) writeScenarios(document, title, results);
        return results.some(({ problem }) => problem !== undefined) ? 1 : 0;
      }
      if (e2e !== undefined) {
        const against = notApplicable(await hasSctp());
        const results = await runE2e(cluster, e2e, patternOf(against));
        if (document !== undefined) {
          const release = await cluster.release();
          const tests = await listE2e(cluster, '\\[sig-network\\]');
          const reasonAgainst = (test: string) => against.find(({ tests }) => tests.test(test))?.reason;
          writeResults(document, { release, nodes, target, tests, reasonAgainst }, results);
        }
        return report(results);
      }
      console.log(`kubectl: ${cluster.kubectlCommand}\nCtrl-C ends it.`);
      await stopped;
      return 0;
    } finally {
      await cluster.remove();
      told('everything is gone');
    }
  } finally {
    rmSync(archives, { recursive: true, force: true });
  }
}

type Target = TargetKind | 'kube-proxy';

function isTarget(name: string): name is Target {
  return ['engine', 'dpdk', 'kube-proxy'].includes(name);
}

async function installNetwork(cluster: Cluster, target: Target): Promise<Network> {
  if (target === 'kube-proxy') return { kind: 'kube-proxy', proxies: await installKubeProxy(cluster) };
  await install(cluster, target);
  return { kind: 'infra-offload' };
}

const WORDS = { passed: 'pass', failed: 'FAIL', skipped: 'skip' } as const;

function report(results: readonly E2eResult[]): number {
  for (const { name, outcome, reason } of results)
    console.log(`${WORDS[outcome]}  ${name}${reason === undefined ? '' : `\n      ${reason}`}`);
  const count = (wanted: E2eResult['outcome']) => results.filter(({ outcome }) => outcome === wanted).length;
  console.log(`${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`);
  return count('failed') === 0 ? 0 : 1;
}

main().then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    console.error(`cluster: ${messageOf(error)}`);
    process.exitCode = 1;
  },
);
