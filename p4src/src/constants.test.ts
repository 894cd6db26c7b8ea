import { readFileSync } from 'node:fs';
import { POD_GATEWAY } from '@infra-offload/net';
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

const { DropReason, ServiceFlag, PortKind, EndpointFlag, EpochFlag, FlowState, ConntrackTimeout } = constants;

describe('constants', () => {
  it.each([
    ['HOST_PORT', constants.HOST_PORT],
    ['GATEWAY_IP', POD_GATEWAY],
    ['NO_ENDPOINT', constants.NO_ENDPOINT],
    ['POLICY_CLASS_BITS', Math.log2(constants.POLICY_CLASSES)],
    ['LAST_DENIAL_PLACE', constants.DENIAL_PLACES - 1],
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
    ['SERVICE_NOT_LOCAL', ServiceFlag.notLocal],
    ['PORT_POD', PortKind.pod],
    ['PORT_HOST', PortKind.host],
    ['PORT_UPLINK', PortKind.uplink],
    ['DROP_CT_FULL', DropReason.conntrackFull],
    ['DROP_BLACKHOLE', DropReason.blackhole],
    ['DROP_NOT_LOCAL', DropReason.noLocalEndpoint],
    ['DROP_UNUSED_PORT', DropReason.unusedPort],
    ['DROP_FRAGMENT', DropReason.fragment],
    ['ENDPOINT_DRAINING', EndpointFlag.draining],
    ['EPOCH_ASK_POLICY', EpochFlag.askPolicy],
    ['CT_NEW', FlowState.new],
    ['CT_SYN_ACK', FlowState.synAck],
    ['CT_ESTABLISHED', FlowState.established],
    ['CT_FIN_CLIENT', FlowState.finClient],
    ['CT_FIN_SERVER', FlowState.finServer],
    ['CT_CLOSING', FlowState.closing],
    ['CT_CLOSED', FlowState.closed],
    ['EXPIRE_UDP_NEW', ConntrackTimeout.udpNew],
    ['EXPIRE_UDP', ConntrackTimeout.udp],
    ['EXPIRE_ICMP', ConntrackTimeout.icmp],
    ['EXPIRE_OTHER_NEW', ConntrackTimeout.otherNew],
    ['EXPIRE_OTHER', ConntrackTimeout.other],
  ])('%s is that of headers.p4', (name, value) => {
    expect(p4Constants.get(name)).toBe(value);
  });

  it('tell every drop reason of headers.p4 once', () => {
    const reasons = [...p4Constants].filter(([name]) => name?.startsWith('DROP_') && name !== 'DROP_NONE');
    expect(constants.dropReasons.map(({ reason }) => reason)).toEqual(reasons.map(([, reason]) => reason));
    expect(constants.dropReasons.map(({ name }) => name)).toEqual(Object.keys(DropReason));
  });

  it.each([
    ['conntrack', constants.CONNTRACK_TIMEOUTS],
    ['established', constants.ESTABLISHED_TIMEOUTS],
    ['fragments', constants.FRAGMENT_TIMEOUTS],
    ['affinity', constants.AFFINITY_TIMEOUTS],
  ] as const)('have the timeouts of %s', (learner, expected) => {
    const block = new RegExp(`learner ${learner} \\{[^]*?timeout \\{([^}]*)\\}`).exec(k8sDpArtifacts.spec);
    expect(block?.[1]?.trim().split(/\s+/).map(Number)).toEqual([...expected]);
  });
});
