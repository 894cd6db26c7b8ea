import { entityKey } from '@infra-offload/p4rt';
import type { Entity } from '@infra-offload/p4rt/proto';
import { k8sDp } from '@infra-offload/p4src';
import fc from 'fast-check';

export const TABLES = ['service', 'endpoint_group'] as const;

const { service, endpoint_group: group } = k8sDp.tables;
const { endpoint_selector: selector } = k8sDp.actionProfiles;

export const member = (id: number, endpoint: number) =>
  selector.member(id, selector.actions.select_endpoint({ endpoint_id: endpoint }));
export const groupOf = (id: number, members: readonly number[]) =>
  selector.group(
    id,
    members.map((one) => ({ member: one, weight: one })),
  );
export const groupEntry = (id: number, named: number) => group.entry({ group_id: id }, group.group(named));
export const serviceEntry = (port: number, groupId: number) =>
  service.entry(
    { dst_ip: '10.96.0.10', protocol: 6, dst_port: port },
    service.actions.set_service({
      group_id: groupId,
      endpoint_base: 0,
      service_id: 1,
      flags: 0,
      affinity_profile: 0,
    }),
  );

const id = fc.integer({ min: 1, max: 4 });

/** Members, groups of them, entries that name groups or members, and some that name nothing, in any order. */
export const wantedState: fc.Arbitrary<Entity[]> = fc
  .record({
    members: fc.uniqueArray(fc.tuple(id, fc.integer({ min: 1, max: 3 })), { selector: ([one]) => one }),
    groups: fc.uniqueArray(fc.tuple(id, fc.uniqueArray(id)), { selector: ([one]) => one }),
    entries: fc.uniqueArray(fc.tuple(id, fc.boolean(), id), { selector: ([one]) => one }),
    services: fc.uniqueArray(fc.tuple(id, id), { selector: ([one]) => one }),
    order: fc.infiniteStream(fc.nat()),
  })
  .map(({ members, groups, entries, services, order }) => {
    const hasMember = new Set(members.map(([one]) => one));
    const hasGroup = new Set(groups.map(([one]) => one));
    const all = [
      ...members.map(([one, endpoint]) => member(one, endpoint)),
      ...groups.map(([one, names]) =>
        groupOf(
          one,
          names.filter((name) => hasMember.has(name)),
        ),
      ),
      ...entries.flatMap(([one, isGroup, named]) => {
        if (!(isGroup ? hasGroup : hasMember).has(named)) return [];
        return [isGroup ? groupEntry(one, named) : group.entry({ group_id: one }, group.member(named))];
      }),
      ...services.map(([one, named]) => serviceEntry(one, named)),
    ];
    return all
      .map((entity) => ({ entity, place: order.next().value ?? 0 }))
      .sort((a, b) => a.place - b.place)
      .map(({ entity }) => entity);
  });

export function byKey(entities: Iterable<Entity>): Map<string, Entity> {
  return new Map([...entities].map((entity) => [entityKey(entity), entity]));
}
