import { spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from './cluster.js';

/** What became of one of Kubernetes' own tests. */
export interface E2eResult {
  /** As the release names it. */
  readonly name: string;
  readonly passed: boolean;
  /** Of those that failed: the first line of why. */
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
    ...[`--ginkgo.focus=${focus}`, ...(skip === undefined ? [] : [`--ginkgo.skip=${skip}`])],
    ...['--minStartupPods=0', '--allowed-not-ready-nodes=0', `--num-nodes=${cluster.nodes.length}`],
    `--ginkgo.json-report=${report}`,
  ]);
  const child = spawn(command, args, { cwd: directory, stdio: ['ignore', output, output], detached: true });
  await new Promise((resolve, reject) => child.once('exit', resolve).once('error', reject));
  try {
    return readReport(JSON.parse(readFileSync(report, 'utf8')) as GinkgoReport);
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

/** The tests that ran, of ginkgo's report in JSON. */
export function readReport(report: GinkgoReport): readonly E2eResult[] {
  return report.flatMap(({ SpecReports }) =>
    SpecReports.filter(
      ({ LeafNodeType, State }) => LeafNodeType === 'It' && State !== 'skipped' && State !== 'pending',
    ).map(({ ContainerHierarchyTexts, LeafNodeText, State, Failure }) => {
      const reason = Failure?.Message.split('\n')[0];
      return {
        name: [...(ContainerHierarchyTexts ?? []), LeafNodeText].join(' '),
        passed: State === 'passed',
        ...(State !== 'passed' && reason !== undefined && { reason }),
      };
    }),
  );
}
