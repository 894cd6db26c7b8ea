import { messageOf } from '@infra-offload/base';
import { type Entity, Update_Type } from '@infra-offload/p4rt/proto';
import type { Forwarding } from '../entities/forwarding.js';
import { bareEntry } from '../entities/messages.js';
import { readEntity } from '../entities/read.js';
import { SoftswitchError } from '../errors.js';

/**
 * Registers and counters with more cells begin anew: to copy them would take seconds. Registers of that size are what a
 * program keeps of its learned flows, which are lost as well.
 */
const MOST_CELLS = 1 << 20;

/**
 * Writes everything that `from` holds into the fresh `to`: members, groups, entries (but those that the program has const) with
 * their counters, default
 * entries, and of what both have in the same size the cells of counters and registers (up to 2^20) and the configurations of
 * meters. INVALID_ARGUMENT if the new program cannot hold one of them; `to` is to be thrown away then. What the data plane
 * learned itself is lost.
 */
export function transferState(from: Forwarding, to: Forwarding): void {
  const counterData = { byteCount: 0n, packetCount: 0n };
  const tables = [...from.tables.values()].filter((store) => store.table.kind === 'table');
  const entries: Entity[] = tables.map(({ table }) =>
    tableRequest({ ...bareEntry(table.p4.id), counterData }),
  );
  for (const store of tables) to.tables.get(store.table.p4.id)?.dropDeleted(store);
  const requests: Entity[] = [
    {
      entity: { $case: 'actionProfileMember', value: { actionProfileId: 0, memberId: 0, action: undefined } },
    },
    {
      entity: {
        $case: 'actionProfileGroup',
        value: { actionProfileId: 0, groupId: 0, members: [], maxSize: 0 },
      },
    },
    ...entries,
  ];
  for (const request of requests) {
    for (const entity of readEntity(from, request))
      if (!isConst(entity)) apply(to, Update_Type.INSERT, entity);
  }
  for (const { table } of tables) {
    if (table.constDefault) continue;
    const request = tableRequest({ ...bareEntry(table.p4.id), isDefaultAction: true, counterData });
    for (const entity of readEntity(from, request)) apply(to, Update_Type.MODIFY, entity);
  }
  copyCells(from, to);
}

function tableRequest(value: ReturnType<typeof bareEntry>): Entity {
  return { entity: { $case: 'tableEntry', value } };
}

function isConst({ entity }: Entity): boolean {
  return entity?.$case === 'tableEntry' && entity.value.isConst;
}

/** What the new program begins with is modified, not inserted. */
function apply(to: Forwarding, type: Update_Type.INSERT | Update_Type.MODIFY, entity: Entity): void {
  try {
    to.update({ type, entity }, undefined);
  } catch (error) {
    if (type === Update_Type.INSERT && SoftswitchError.is(error, 'ALREADY_EXISTS')) {
      apply(to, Update_Type.MODIFY, entity);
      return;
    }
    throw new SoftswitchError(
      'INVALID_ARGUMENT',
      `the new program cannot take over the state: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
}

function copyCells(from: Forwarding, to: Forwarding): void {
  const copy = (source: string | undefined, target: string | undefined, size: number): void => {
    if (source === undefined || target === undefined) return;
    for (let i = 0; i < size; i++)
      to.pipeline.registerWrite(target, i, from.pipeline.registerRead(source, i));
  };
  for (const counter of from.program.counters.values()) {
    const target = to.program.counters.get(counter.p4.id);
    if (target === undefined || target.size !== counter.size || counter.size > MOST_CELLS) continue;
    copy(counter.packets, target.packets, counter.size);
    copy(counter.bytes, target.bytes, counter.size);
  }
  for (const { p4, size, target } of from.program.meters.values()) {
    const next = to.program.meters.get(p4.id);
    if (target === undefined || next?.target === undefined || next.size !== size) continue;
    if (next.p4.unit !== p4.unit || next.p4.type !== p4.type) continue;
    for (const [index, profile] of from.pipeline.written.profiles(target))
      to.pipeline.meterSet(next.target, index, profile);
  }
  for (const register of from.program.registers.values()) {
    const target = to.program.registers.get(register.p4.id);
    if (register.size > MOST_CELLS) continue;
    if (target?.size === register.size && target.width === register.width) {
      copy(register.target, target.target, register.size);
    }
  }
}
