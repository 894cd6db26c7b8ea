import { readFileSync } from 'node:fs';
import { decodeDeviceConfig } from '@infra-offload/p4rt';
import { describe, expect, it } from 'vitest';
import * as p4src from './index.js';

const { Es2kAclStatus, Es2kDirection, Es2kTimeout, ES2K_DROP_REASONS } = p4src;
const header = readFileSync(new URL('../es2k/headers.p4', import.meta.url), 'utf8');
const p4Constants = new Map(
  [...header.matchAll(/^const \S+ +(\w+)\s*=\s*(?:\(\w+\)\s*)?(0x[0-9a-fA-F]+|\d+);/gm)].map((match) => [
    match[1],
    Number(match[2]),
  ]),
);

describe('es2kDpP4Info', () => {
  it('is the P4Info of the artifacts, read without a warning', () => {
    expect(p4src.es2kDpP4Info().warnings).toEqual([]);
    expect(p4src.es2kDpP4Info().describe('es2kDp')).toEqual(p4src.es2kDpDescriptor);
  });
});

describe('es2kDpDeviceConfig', () => {
  it('carries the artifacts of es2k/', () => {
    const { name, bfrtInfo, profiles } = decodeDeviceConfig(p4src.es2kDpDeviceConfig());
    expect(name).toBe('k8s_dp');
    expect(Buffer.from(bfrtInfo).toString()).toBe(p4src.es2kDpArtifacts.bfrt);
    expect(Buffer.from(profiles[0]?.binary ?? []).toString()).toBe(p4src.es2kDpArtifacts.spec);
  });
});

describe('constants of es2k/', () => {
  it.each([
    ['DIRECTION_TX', Es2kDirection.transmit],
    ['TCAM_KEY_TX', Es2kDirection.transmit],
    ['TCAM_KEY_RX', Es2kDirection.receive],
    ['ACL_NONE', Es2kAclStatus.none],
    ['ACL_DENY_ALL', Es2kAclStatus.denyAll],
    ['ACL_RANGE_AND_SET', Es2kAclStatus.rangeAndSet],
    ['ACL_SET_ONLY', Es2kAclStatus.setOnly],
    ['EXPIRE_TCP_CLOSING', Es2kTimeout.tcpClosing],
    ['EXPIRE_TCP_NEW', Es2kTimeout.tcpNew],
    ['EXPIRE_UDP', Es2kTimeout.udp],
    ['EXPIRE_TCP_ESTABLISHED', Es2kTimeout.tcpEstablished],
  ])('%s is that of headers.p4', (name, value) => {
    expect(p4Constants.get(name)).toBe(value);
  });

  it('tell every drop reason of headers.p4 once', () => {
    const reasons = [...p4Constants].filter(([name]) => name?.startsWith('DROP_') && name !== 'DROP_NONE');
    expect(ES2K_DROP_REASONS.map(({ reason }) => reason)).toEqual(reasons.map(([, reason]) => reason));
  });

  it('have the buckets and the timeouts of the spec', () => {
    const { spec } = p4src.es2kDpArtifacts;
    const mask = /and m\.local_metadata_bucket (0x[0-9A-F]+)/.exec(spec)?.[1];
    expect(Number(mask) + 1).toBe(p4src.ES2K_BUCKETS);
    for (const [, seconds = ''] of spec.matchAll(/timeout \{([^}]*)\}/g)) {
      expect(seconds.trim().split(/\s+/).map(Number)).toEqual([...p4src.ES2K_TIMEOUTS]);
    }
  });

  it('have the rules per group of the range checker', () => {
    const params = p4src.es2kDpDescriptor.tables.tcp_dport_rc_table.actions.do_range_check_tcp.params;
    expect(Object.keys(params)).toHaveLength(2 * p4src.ES2K_RULES_PER_GROUP);
  });
});
