import { run } from '@infra-offload/testbed';

/** Tests of a release that cannot pass or fail here, and why. */
export interface NotApplicable {
  /** Of names as the release has them; no syntax that Go lacks. */
  readonly tests: RegExp;
  readonly reason: string;
}

const ALWAYS: readonly NotApplicable[] = [
  {
    tests: /\[Feature:IPv6DualStack\]|\[Feature:Networking-IPv6\]/,
    reason: 'needs IPv6, which the data plane does not carry',
  },
  { tests: /\[Feature:LoadBalancer\]/, reason: 'needs a cloud that gives load balancers their addresses' },
  { tests: /\[Provider:GCE\]/, reason: 'for clusters on GCE' },
  {
    tests:
      /kube-proxy migration|KubeProxy |restarting kube-proxy|check kube-proxy urls|recreate its iptables rules/,
    reason: 'tests kube-proxy, which does not run',
  },
  {
    tests: /\[Feature:Networking-IPv4\]|\[Feature:Networking-DNS\]/,
    reason: 'needs the internet, which `make cluster` has not',
  },
  { tests: /DNS configMap/, reason: 'configures CoreDNS, which `make cluster` has not' },
  {
    tests: /\[Feature:PerformanceDNS\]/,
    reason: 'measures the DNS server, which is not part of the product',
  },
  { tests: /\[Feature:Networking-Performance\]/, reason: 'needs an image of its own: iperf2' },
  {
    tests: /invalid conntrack state bug/,
    reason: 'needs an image of its own: regression-issue-74839',
  },
  { tests: /restarting apiserver/, reason: 'restarts the API server over SSH' },
];

const WITHOUT_SCTP: NotApplicable = {
  tests: /\[Feature:SCTPConnectivity\]/,
  reason: 'the kernel of the machine has no SCTP (CONFIG_IP_SCTP)',
};

/** What does not apply on a machine. */
export function notApplicable(hasSctp: boolean): readonly NotApplicable[] {
  return hasSctp ? ALWAYS : [...ALWAYS, WITHOUT_SCTP];
}

/** A regular expression (Go) of all of them. */
export function patternOf(these: readonly NotApplicable[]): string {
  return these.map(({ tests }) => tests.source).join('|');
}

/** Whether this machine's kernel speaks SCTP; its module is loaded if there is one. */
export async function hasSctp(): Promise<boolean> {
  const { stdout } = await run('sh', [
    '-c',
    'modprobe --quiet sctp 2>/dev/null; grep "^SCTP " /proc/net/protocols',
  ]);
  return stdout !== '';
}
