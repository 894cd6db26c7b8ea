import { formatColumns } from '@infra-offload/base';
import type { PolicyCount } from '@infra-offload/infra-api';
import type { Command } from 'commander';
import type { WithManager } from './client.js';
import { named, shortened, toJson } from './format.js';

interface PolicyOptions {
  readonly pod: string;
  readonly policy: string;
}

/** `infractl policies`. */
export function addPoliciesCommand(program: Command, withManager: WithManager): void {
  program
    .command('policies')
    .description('shows what the policies of pods have allowed and denied')
    .option('--pod <namespace/name>', 'only what this pod is under', named, '')
    .option('--policy <name>', 'only what this policy has a part in', '')
    .action(({ pod, policy }: PolicyOptions) =>
      withManager(async (manager, { output }) => {
        const counts = (await manager.policies()).counts.filter(
          ({ pods, policies }) =>
            (pod === '' || pods.includes(pod)) && (policy === '' || policies.includes(policy)),
        );
        process.stdout.write(output === 'json' ? `${toJson(counts)}\n` : `${formatPolicies(counts)}\n`);
      }),
    );
}

/** What policies have said, as aligned columns: a line for what they deny, and one for each set of ports that they allow. */
export function formatPolicies(counts: readonly PolicyCount[]): string {
  const rows = counts.flatMap(({ pods, direction, policies, rules, deniedPackets }) => {
    const who = [shortened(pods), direction];
    return [
      ...rules.map((rule) => [...who, shortened(rule.policies), rule.ports, `${rule.allowedFlows}`, '-']),
      [...who, shortened(policies), 'the rest', '-', `${deniedPackets}`],
    ];
  });
  return formatColumns([
    ['POD', 'DIRECTION', 'POLICIES', 'PORTS', 'FLOWS ALLOWED', 'PACKETS DENIED'],
    ...rows,
  ]);
}
