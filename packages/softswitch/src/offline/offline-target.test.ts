import { thrown } from '@infra-offload/base/testing';
import { insert, modify, remove } from '@infra-offload/p4rt';
import { k8sDp, k8sDpDeviceConfig, k8sDpP4Info } from '@infra-offload/p4src';
import { packet } from '@infra-offload/swx/testing';
import { describe, expect, it } from 'vitest';
import { SoftswitchError } from '../errors.js';
import { OfflineTarget } from './offline-target.js';

const { port_table: ports, pod_forward: forward, conntrack } = k8sDp.tables;
const { flows, last_serial: serials } = k8sDp.registers;
const TCP_SYN = 2;

function target(): OfflineTarget {
  const made = new OfflineTarget(k8sDpP4Info().p4info, k8sDpDeviceConfig());
  made.write(
    insert(ports.entry({ input_port: 1 }, ports.actions.set_pod_port({ pod_ip: '10.0.0.1', since: 0 }))),
  );
  const hop = { port: 2, dst_mac: '02:00:00:00:00:02', src_mac: '02:00:00:00:00:01', since: 0 };
  made.write(insert(forward.entry({ pod_ip: '10.0.0.2' }, forward.actions.forward(hop))));
  return made;
}

const syn = packet({
  ...{ source: '10.0.0.1', target: '10.0.0.2' },
  l4: { protocol: 'tcp', sourcePort: 4000, targetPort: 80, flags: TCP_SYN },
});

describe('a target without a data plane', () => {
  it('tells what its entities do with a packet', () => {
    const made = target();
    expect(made.trace(1, syn).steps).toContainEqual(expect.objectContaining({ kind: 'transmit', port: 2 }));
    expect(made.trace(3, syn).steps).toContainEqual({ kind: 'drop', reason: 'drop' });
    made.write(remove(forward.key({ pod_ip: '10.0.0.2' })));
    expect(made.trace(1, syn).steps).toContainEqual(expect.objectContaining({ kind: 'transmit', port: 0 }));
  });

  it('knows what another one has learned', () => {
    const made = target();
    const key = { src_ip: '10.0.0.1', src_port: 4000, dst_ip: '10.0.0.2', protocol: 6, dst_port: 80 };
    const params = { kind: 0xc0, serial: 7, nat_ip: 0, nat_port: 0, client_ip: 0, client_port: 0 };
    const number = made.learn(
      conntrack.entry(key, conntrack.actions.ct_original({ ...params, endpoint_id: 0 })),
    );
    expect(number).toBeGreaterThan(0);
    made.write(modify(flows.cell(number, (7n << 16n) | 1n)));
    const [found] = made
      .trace(1, syn)
      .steps.filter((step) => step.kind === 'table' && step.table === 'conntrack');
    expect(found).toMatchObject({ hit: true, action: 'ct_original' });
  });

  it('refuses what makes no sense, and what it does not have', () => {
    const made = target();
    const refused = (action: () => unknown) => thrown(SoftswitchError, action).code;
    expect(refused(() => new OfflineTarget(k8sDpP4Info().p4info, new Uint8Array(3)))).toBe(
      'INVALID_ARGUMENT',
    );
    expect(refused(() => made.learn(serials.cell(0, 1)))).toBe('INVALID_ARGUMENT');
    expect(refused(() => made.learn(conntrack.all()))).toBe('INVALID_ARGUMENT');
    expect(refused(() => made.write(modify(k8sDp.meters.new_flows.cell(0))))).toBe('UNIMPLEMENTED');
  });
});
