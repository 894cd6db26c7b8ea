import { credentials } from '@grpc/grpc-js';
import {
  type AddressSet,
  type NetworkPolicy,
  type PodIsolation,
  PolicyAction,
  type WantedObject,
} from '@infra-offload/infra-api';
import { formatEntity, insert, modify, P4RuntimeSession, remove } from '@infra-offload/p4rt';
import { P4RuntimeClient, type Update } from '@infra-offload/p4rt/proto';
import { k8sDp } from '@infra-offload/p4src';
import { expect, it } from 'vitest';
import { node, podObject } from './testing/agent.js';
import { eventually, startReady, world, worldForEachTest, written } from './testing/world.js';

const { policy_ingress: ingress, policy_peer: peers, policy_port: ports } = k8sDp.tables;
const { POLICY_ACTION_ALLOW, POLICY_ACTION_DENY } = PolicyAction;
const ISOLATED = '10.244.1.3';
const CLIENT = '10.244.1.1';
const STRANGER = '10.244.1.2';

worldForEachTest();

/** Pod 3 may be reached by pod 1, on port 80. */
function objects(): readonly WantedObject[] {
  const clients: AddressSet = { name: 'clients', cidrs: [`${CLIENT}/32`], addressPorts: [] };
  const web: NetworkPolicy = {
    name: 'default/web',
    ingress: [
      {
        action: POLICY_ACTION_ALLOW,
        peers: [{ negated: false, cidrs: [], addressSets: ['clients'] }],
        ports: [{ match: { $case: 'range', value: { protocol: 6, first: 80, last: 80 } } }],
        notPorts: [],
      },
    ],
    egress: [],
    conditions: [],
  };
  const isolation: PodIsolation = {
    namespace: 'default',
    name: 'pod-3',
    ingress: { tiers: [{ policies: ['default/web'], defaultAction: POLICY_ACTION_DENY }] },
    egress: undefined,
    conditions: [],
  };
  return [
    node(),
    { object: { $case: 'addressSet', value: clients } },
    { object: { $case: 'networkPolicy', value: web } },
    { object: { $case: 'podIsolation', value: isolation } },
    ...[1, 2, 3].map((i) => podObject(i)),
  ];
}

function open(electionId: bigint): Promise<P4RuntimeSession> {
  return P4RuntimeSession.open({ address: world.target?.p4runtimeAddress ?? '', deviceId: 1, electionId });
}

/** The policy tables as the device has them. */
async function policyEntries(): Promise<readonly string[]> {
  const session = await open(1n);
  const found: string[] = [];
  for await (const entity of session.read([ingress.all(), peers.all(), ports.all()])) {
    found.push(formatEntity(k8sDp, entity));
  }
  session.close();
  return found.sort();
}

/** What a second writer does: it lets the stranger in, shuts the client out, and puts the pod under another policy. */
async function drift(): Promise<readonly Update[]> {
  const session = await open(1n);
  const updates: Update[] = [];
  for await (const entity of session.read([ingress.all(), ports.all()])) {
    if (entity.entity?.$case !== 'tableEntry') continue;
    if (entity.entity.value.tableId === ingress.id) {
      const { match, action } = ingress.decode(entity);
      if (action?.name !== 'set_policy_ingress') throw new Error('no isolation');
      const policy = { policy_id: action.params.policy_id };
      const { set_peer_classes: classes } = peers.actions;
      updates.push(
        remove(peers.key({ ...policy, peer_ip: CLIENT })),
        insert(peers.entry({ ...policy, peer_ip: STRANGER }, classes({ mask: 2n ** 64n - 1n }))),
        modify(ingress.entry(match, ingress.actions.set_policy_ingress({ policy_id: 777 }))),
      );
      continue;
    }
    const { match, priority = 0 } = ports.decode(entity);
    if (match.dst_port === undefined) continue;
    updates.push(modify(ports.entry(match, ports.actions.set_port_classes({ mask: 0n }), { priority })));
  }
  session.close();
  return updates;
}

/** Writes in the name of the primary, who does not get to know. */
async function writeAsPrimary(updates: readonly Update[]): Promise<void> {
  const session = await open(1n);
  const { state } = session;
  session.close();
  const primary = state.kind === 'backup' ? (state.primaryElectionId ?? 0n) : 0n;
  const client = new P4RuntimeClient(world.target?.p4runtimeAddress ?? '', credentials.createInsecure());
  const electionId = { high: primary >> 64n, low: primary & (2n ** 64n - 1n) };
  await new Promise<void>((resolve, reject) => {
    const request = { deviceId: 1n, roleId: 0n, role: '', electionId, updates: [...updates], atomicity: 0 };
    client.write(request, (error) => (error ? reject(error) : resolve()));
  });
  client.close();
}

/** Writes as the primary that takes the manager's place for a moment. */
async function writeInstead(updates: readonly Update[]): Promise<void> {
  const session = await open(1n << 100n);
  await session.write(updates);
  session.close();
}

it('an audit repairs the policy tables of a manager that is the primary all along', async () => {
  const { agent } = await startReady(world, { reconcile: { auditSeconds: 1 } });
  await agent.snapshot(...objects());
  const before = await policyEntries();
  const updates = await drift();
  expect(updates.length).toBe(4);
  const earlier = await written(agent);
  await writeAsPrimary(updates);
  await eventually(async () => (await policyEntries()).join() === before.join(), 'the repair');
  await eventually(async () => (await written(agent)).updates - earlier.updates === 4, 'four updates');
  expect(before.some((text) => text.includes(ISOLATED))).toBe(true);
});

it('without audits nobody notices, until the manager is the primary anew', async () => {
  const { agent } = await startReady(world, { reconcile: { auditSeconds: 0 } });
  await agent.snapshot(...objects());
  const before = await policyEntries();
  await writeAsPrimary(await drift());
  const between = await policyEntries();
  expect(between).not.toEqual(before);
  await writeInstead([]);
  await eventually(async () => (await policyEntries()).join() === before.join(), 'the repair');
});

it('a restarted manager repairs what was done to the policy tables meanwhile, and writes nothing else', async () => {
  const first = await startReady(world);
  await first.agent.snapshot(...objects());
  const before = await policyEntries();
  await first.manager.stop();
  await writeInstead(await drift());
  expect(await policyEntries()).not.toEqual(before);
  const { agent } = await startReady(world);
  await agent.snapshot(...objects());
  await eventually(async () => (await policyEntries()).join() === before.join(), 'the repair');
  await eventually(async () => (await written(agent)).updates === 4, 'four updates');
});
