import { spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from './cluster.js';

/** What became of one of Kubernetes' own tests. */
export interface E2eResult {
  /** As the release names it. */
  readonly name: string;
  /** A test skips itself that finds the cluster too small for it, for instance. */
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** Of those that did not pass: the first line of why. */
  readonly reason?: string;
}

/**
 * Runs those of Kubernetes' end-to-end tests whose names match, one after the other.
 *
 * @param focus a regular expression (Go), such as `\[sig-network\].*\[Conformance\]`
 * @param skip likewise
 * @throws Error if it could not run at all
 */
export async function runE2e(cluster: Cluster, focus: string, skip?: string): Promise<readonly E2eResult[]> {
  return readReport(await ginkgo(cluster, focus, skip === undefined ? [] : [`--ginkgo.skip=${skip}`]));
}

/** The names of those tests of the release that match, in alphabetical order. */
export async function listE2e(cluster: Cluster, focus: string): Promise<readonly string[]> {
  const report = await ginkgo(cluster, focus, ['--ginkgo.dry-run']);
  return readReport(report)
    .map(({ name }) => name)
    .sort((a, b) => a.localeCompare(b, 'en'));
}

async function ginkgo(cluster: Cluster, focus: string, more: readonly string[]): Promise<GinkgoReport> {
  const directory = join(cluster.directory, 'e2e');
  mkdirSync(directory, { recursive: true });
  const log = join(directory, 'e2e.log');
  const report = join(directory, 'report.json');
  const output = openSync(log, 'w');
  const [command, args] = cluster.first.namespace.wrap('env', [
    // It leaves files behind.
    ...[`PATH=${cluster.bin}:${process.env.PATH}`, `TMPDIR=${directory}`],
    join(cluster.bin, 'e2e.test'),
    ...[`--kubeconfig=${cluster.controlPlane.adminConfig}`, '--provider=local', '--ginkgo.no-color'],
    ...[`--ginkgo.focus=${focus}`, `--ginkgo.json-report=${report}`, ...more],
    ...['--minStartupPods=0', '--allowed-not-ready-nodes=0', `--num-nodes=${cluster.nodes.length}`],
  ]);
  const child = spawn(command, args, { cwd: directory, stdio: ['ignore', output, output], detached: true });
  await new Promise((resolve, reject) => child.once('exit', resolve).once('error', reject));
  try {
    return JSON.parse(readFileSync(report, 'utf8')) as GinkgoReport;
  } catch (cause) {
    throw new Error(`e2e.test left no report; its output is ${log}`, { cause });
  }
}

/** What ginkgo writes of a run. */
type GinkgoReport = readonly {
  readonly SpecReports: readonly {
    readonly ContainerHierarchyTexts: readonly string[] | null;
    readonly LeafNodeType: string;
    readonly LeafNodeText: string;
    readonly State: string;
    readonly Failure?: { readonly Message: string };
  }[];
}[];

/** The tests that ran, of ginkgo's report in JSON. Those that were not asked for are skipped without a reason. */
export function readReport(report: GinkgoReport): readonly E2eResult[] {
  return report.flatMap(({ SpecReports }) =>
    SpecReports.flatMap((spec): E2eResult[] => {
      const { ContainerHierarchyTexts, LeafNodeType, LeafNodeText, State, Failure } = spec;
      const reason = Failure?.Message.split('\n')[0];
      const isOutside = State === 'pending' || (State === 'skipped' && !reason);
      if (LeafNodeType !== 'It' || isOutside) return [];
      const name = [...(ContainerHierarchyTexts ?? []), LeafNodeText].join(' ');
      if (State === 'passed') return [{ name, outcome: 'passed' }];
      return [{ name, outcome: State === 'skipped' ? 'skipped' : 'failed', ...(reason && { reason }) }];
    }),
  );
}
