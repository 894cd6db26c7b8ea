import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { OutsidePort } from '../services/outside-port.js';
import { type KernelFacts, ruleset } from './ruleset.js';

const facts: KernelFacts = {
  hostInterface: 'P4TAP_0',
  masquerade: true,
  exempt: [],
  outside: [],
  nodeAddresses: ['172.16.0.1'],
};

/** Sets the rules one after the other in a network namespace of its own, and tells what the kernel has made of them. */
function inKernel(...rules: readonly string[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'ruleset-'));
  try {
    const files = rules.map((text, i) => {
      const file = join(directory, `${i}`);
      writeFileSync(file, text);
      return file;
    });
    const script = 'for file; do nft -f "$file" || exit 1; done; nft list ruleset';
    const command = ['--net', 'sh', '-c', script, 'sh', ...files];
    const listed = execFileSync('unshare', command, { encoding: 'utf8', maxBuffer: 2 ** 26 });
    return listed.replace(/\s+/g, ' ');
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const shop: OutsidePort = {
  protocol: 'TCP',
  nodePort: 30080,
  insidePort: undefined,
  addresses: [
    { address: '203.0.113.1', port: 80, gatewayPort: 30080, sourceRanges: [] },
    {
      address: '203.0.113.2',
      port: 80,
      gatewayPort: 30080,
      sourceRanges: ['10.1.0.0/16', '10.0.0.0/8', 'fd00::/8', '192.0.2.0/24', '10.0.0.0/8'],
    },
  ],
};
const dns: OutsidePort = {
  protocol: 'UDP',
  nodePort: undefined,
  insidePort: undefined,
  addresses: [{ address: '203.0.113.1', port: 53, gatewayPort: 65_535, sourceRanges: [] }],
};

describe('the rules of the kernel', () => {
  it('are taken as they are, again and again, the last ones in force', () => {
    const first = ruleset({ ...facts, outside: [shop, dns], exempt: ['10.244.0.0/16', '10.244.1.0/24'] });
    const rules = inKernel(first, first, ruleset({ ...facts, outside: [dns], exempt: ['10.96.0.0/12'] }));
    expect(rules).toContain('elements = { 10.96.0.0/12 }');
    expect(rules).toContain('elements = { 203.0.113.1 . udp . 53 : 65535 }');
    expect(rules).not.toContain('30080');
    expect(rules.match(/table ip/g)).toHaveLength(1);
  });

  it('have node ports, external addresses, and whom load balancers are for', () => {
    const rules = inKernel(ruleset({ ...facts, outside: [shop, dns] }));
    expect(rules).toContain('elements = { tcp . 30080 }');
    expect(rules).toContain('203.0.113.1 . tcp . 80 : 30080');
    expect(rules).toContain('203.0.113.2 . tcp . 80 : 30080');
    expect(rules).toContain(
      'set filtered { type ipv4_addr . inet_proto . inet_service elements = { 203.0.113.2 . tcp . 80 } }',
    );
    // Ranges inside of others are no matter, which nft would refuse; and there is no IPv6.
    expect(rules).toContain('203.0.113.2 . tcp . 80 . 10.0.0.0/8');
    expect(rules).not.toContain('10.1.0.0');
    expect(rules).not.toContain('fd00');
  });

  it('send the node and its pods to another port, where the traffic policy does not count for them', () => {
    const rules = inKernel(ruleset({ ...facts, outside: [{ ...shop, insidePort: 40_000 }, dns] }));
    expect(rules).toContain('tcp . 30080 : 40000');
    expect(rules).toContain('203.0.113.1 . tcp . 80 : 40000, 203.0.113.2 . tcp . 80 : 40000');
    expect(rules).toContain('203.0.113.1 . tcp . 80 : 30080');
    expect(rules).toContain('iifname "P4TAP_0" jump inside');
  });

  it('let a node that is among the sources of a load balancer use its address, which may be its own', () => {
    const of = (nodeAddresses: readonly string[]) =>
      inKernel(ruleset({ ...facts, nodeAddresses, outside: [shop] }));
    expect(of(['10.1.2.3'])).toContain('203.0.113.2 . tcp . 80 . 203.0.113.2');
    expect(of(['172.16.0.1'])).not.toContain('203.0.113.2 . tcp . 80 . 203.0.113.2');
  });

  it('give an address and port that two services want to the first', () => {
    const other = {
      ...shop,
      nodePort: 30081,
      addresses: shop.addresses.map((a) => ({ ...a, gatewayPort: 30081 })),
    };
    const rules = inKernel(ruleset({ ...facts, outside: [shop, other] }));
    expect(rules).toContain('203.0.113.1 . tcp . 80 : 30080');
    expect(rules).not.toContain(': 30081');
  });

  it('masquerade what pods send out of the cluster only if that is wanted, and what services send in any case', () => {
    const services = 'iifname "P4TAP_0" oifname != "P4TAP_0" ip saddr 169.254.1.1 masquerade';
    const pods = 'ip daddr != @exempt masquerade';
    const on = ruleset(facts);
    expect(on).toContain(services);
    expect(on).toContain(pods);
    const off = ruleset({ ...facts, masquerade: false });
    expect(off).toContain(services);
    expect(off).not.toContain(pods);
    inKernel(off);
  });

  it('are set in a moment for 10,000 services', () => {
    const outside = Array.from({ length: 10_000 }, (_, i): OutsidePort => {
      const address = `198.18.${i >> 8}.${i & 255}`;
      const addresses = [{ address, port: 80, gatewayPort: 20_000 + i, sourceRanges: ['10.0.0.0/8'] }];
      return { protocol: 'TCP', nodePort: 20_000 + i, insidePort: 33_000 + i, addresses };
    });
    expect(inKernel(ruleset({ ...facts, outside })).match(/tcp \. 80 :/g)).toHaveLength(20_000);
  });
});
