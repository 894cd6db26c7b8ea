import { decodeDeviceConfig, insert } from '@infra-offload/p4rt';
import { describe, expect, it } from 'vitest';
import {
  CONNTRACK_TIMEOUTS,
  k8sDp,
  k8sDpArtifacts,
  k8sDpDescriptor,
  k8sDpDeviceConfig,
  k8sDpP4Info,
  MAX_SERVICE_ID,
  ServiceFlag,
} from './index.js';

describe('k8sDpP4Info', () => {
  it('is the P4Info of the artifacts, read without a warning', () => {
    const program = k8sDpP4Info();
    expect(program.arch).toBe('pna');
    expect(program.warnings).toEqual([]);
    expect(k8sDpP4Info()).toBe(program);
  });

  it('describes itself as the generated descriptor does', () => {
    expect(k8sDpP4Info().describe('k8sDp')).toEqual(k8sDpDescriptor);
  });

  it('has a service counter as large as MAX_SERVICE_ID says', () => {
    expect(k8sDpP4Info().counter('service_counter').size).toBe(MAX_SERVICE_ID + 1);
  });
});

describe('k8sDpDeviceConfig', () => {
  it('carries the artifacts in the form of infrap4d', () => {
    const { name, bfrtInfo, profiles } = decodeDeviceConfig(k8sDpDeviceConfig());
    expect(name).toBe('k8s_dp');
    expect(Buffer.from(bfrtInfo).toString()).toBe(k8sDpArtifacts.bfrt);
    expect(profiles.map((profile) => profile.name)).toEqual(['pipe']);
    expect(Buffer.from(profiles[0]?.context ?? []).toString()).toBe(k8sDpArtifacts.context);
    expect(Buffer.from(profiles[0]?.binary ?? []).toString()).toBe(k8sDpArtifacts.spec);
  });
});

describe('k8sDpDeviceConfig with timeouts', () => {
  const specOf = (config: Uint8Array) =>
    Buffer.from(decodeDeviceConfig(config).profiles[0]?.binary ?? []).toString();

  it('has them for conntrack, and nothing else is different', () => {
    const timeouts = [1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013] as const;
    const before = k8sDpArtifacts.spec.split('\n');
    const changed = specOf(k8sDpDeviceConfig(timeouts)).split('\n');
    expect(changed).toHaveLength(before.length);
    const start = before.indexOf('learner conntrack {');
    const differ = changed.flatMap((line, i) => (line === before[i] ? [] : [i]));
    expect(differ.map((i) => Number(changed[i]))).toEqual(timeouts);
    expect(differ.every((i) => i > start && i < before.indexOf('}', start))).toBe(true);
  });

  it('is the program as it is with the ones that it has', () => {
    expect(specOf(k8sDpDeviceConfig(CONNTRACK_TIMEOUTS))).toBe(k8sDpArtifacts.spec);
  });
});

describe('k8sDp', () => {
  it('builds entries with the ids and widths of the P4Info', () => {
    const { service } = k8sDp.tables;
    const entity = service.entry(
      { dst_ip: '10.96.0.10', protocol: 6, dst_port: 80 },
      service.actions.set_service({
        group_id: 7,
        endpoint_base: 1792,
        service_id: 3,
        flags: ServiceFlag.affinity,
        affinity_profile: 5,
      }),
    );
    const entry = insert(entity).entity?.entity;
    if (entry?.$case !== 'tableEntry') throw new Error('not a table entry');
    expect(entry.value.tableId).toBe(k8sDpP4Info().table('service').id);
    expect(service.decode(entity).match).toMatchObject({ protocol: 6, dst_port: 80 });
  });
});
