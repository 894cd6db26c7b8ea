import { readFileSync } from 'node:fs';
import { decodeNumber, encode } from '@infra-offload/p4info';
import { describe, expect, it } from 'vitest';
import * as constants from './constants.js';
import { k8sDpArtifacts } from './index.js';

const header = readFileSync(new URL('../dpdk/headers.p4', import.meta.url), 'utf8');
const p4Constants = new Map(
  [...header.matchAll(/^const \S+ (\w+)\s*=\s*(?:\(\w+\)\s*)?(0x[0-9a-fA-F]+|\d+);/gm)].map((match) => [
    match[1],
    Number(match[2]),
  ]),
);

const { DropReason, ServiceFlag, ConntrackKind, ConntrackTimeout } = constants;

describe('constants', () => {
  it.each([
    ['HOST_PORT', constants.HOST_PORT],
    ['GATEWAY_IP', decodeNumber(encode(32, constants.GATEWAY_IP))],
    ['NO_ENDPOINT', constants.NO_ENDPOINT],
    ['DROP_UNKNOWN_PORT', DropReason.unknownPort],
    ['DROP_SPOOF', DropReason.spoofedSource],
    ['DROP_NOT_IP', DropReason.notIp],
    ['DROP_NO_ENDPOINT', DropReason.noEndpoint],
    ['DROP_POLICY_EGRESS', DropReason.egressPolicy],
    ['DROP_POLICY_INGRESS', DropReason.ingressPolicy],
    ['DROP_CT_CONFLICT', DropReason.conntrackConflict],
    ['DROP_TTL', DropReason.ttl],
    ['DROP_UNREACHABLE', DropReason.unreachable],
    ['SERVICE_AFFINITY', ServiceFlag.affinity],
    ['SERVICE_NO_ENDPOINTS', ServiceFlag.noEndpoints],
    ['CT_PASS', ConntrackKind.pass],
    ['CT_DNAT', ConntrackKind.dnat],
    ['CT_SNAT', ConntrackKind.snat],
    ['CT_HAIRPIN_REPLY', ConntrackKind.hairpinReply],
    ['EXPIRE_TCP_CLOSING', ConntrackTimeout.tcpClosing],
    ['EXPIRE_TCP_NEW', ConntrackTimeout.tcpNew],
    ['EXPIRE_UDP', ConntrackTimeout.udp],
    ['EXPIRE_TCP_ESTABLISHED', ConntrackTimeout.tcpEstablished],
    ['EXPIRE_OTHER', ConntrackTimeout.other],
  ])('%s is that of headers.p4', (name, value) => {
    expect(p4Constants.get(name)).toBe(value);
  });

  it('tell every drop reason of headers.p4 once', () => {
    const reasons = [...p4Constants].filter(([name]) => name?.startsWith('DROP_') && name !== 'DROP_NONE');
    expect(constants.dropReasons.map(({ reason }) => reason)).toEqual(reasons.map(([, reason]) => reason));
    expect(constants.dropReasons.map(({ name }) => name)).toEqual(Object.keys(DropReason));
  });

  it('have the timeouts that the spec sets for both learners', () => {
    const blocks = [...k8sDpArtifacts.spec.matchAll(/timeout \{([^}]*)\}/g)];
    expect(blocks).toHaveLength(2);
    for (const [, seconds = ''] of blocks) {
      expect(seconds.trim().split(/\s+/).map(Number)).toEqual([...constants.timeoutProfiles]);
    }
  });
});
