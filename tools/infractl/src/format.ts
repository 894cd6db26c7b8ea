import { formatColumns } from '@infra-offload/base';
import {
  type DeviceEntry,
  OBJECT_KINDS,
  ObjectKind,
  type ObjectReference,
  ObjectState,
  type StatusResponse,
  TraceVerdict,
} from '@infra-offload/infra-api';
import { InvalidArgumentError } from 'commander';

/** Names that are spelled out in one column. */
const SPELLED_OUT = 3;

const KINDS: Record<ObjectKind, string> = {
  [ObjectKind.OBJECT_KIND_UNSPECIFIED]: 'object',
  [ObjectKind.OBJECT_KIND_NODE]: 'node',
  [ObjectKind.OBJECT_KIND_POD]: 'pod',
  [ObjectKind.OBJECT_KIND_SERVICE]: 'service',
  [ObjectKind.OBJECT_KIND_ADDRESS_SET]: 'address set',
  [ObjectKind.OBJECT_KIND_NETWORK_POLICY]: 'policy',
  [ObjectKind.OBJECT_KIND_POD_ISOLATION]: 'isolation of pod',
};

const STATES: Record<ObjectState, string> = {
  [ObjectState.OBJECT_STATE_UNSPECIFIED]: 'UNKNOWN',
  [ObjectState.OBJECT_STATE_PENDING]: 'PENDING',
  [ObjectState.OBJECT_STATE_PROGRAMMED]: 'PROGRAMMED',
  [ObjectState.OBJECT_STATE_DEGRADED]: 'DEGRADED',
};

const VERDICTS: Record<TraceVerdict, string> = {
  [TraceVerdict.TRACE_VERDICT_UNSPECIFIED]: 'UNKNOWN',
  [TraceVerdict.TRACE_VERDICT_DELIVERED]: 'DELIVERED',
  [TraceVerdict.TRACE_VERDICT_DROPPED]: 'DROPPED',
  [TraceVerdict.TRACE_VERDICT_REJECTED]: 'REJECTED',
};

/** `service default/web:http/TCP` */
export function formatReference(reference: ObjectReference | undefined): string {
  return reference ? `${KINDS[reference.kind]} ${reference.name}` : 'object';
}

const COMMAND_KINDS: Readonly<Record<string, ObjectKind>> = OBJECT_KINDS;

/**
 * Reads `service/default/web:http/TCP`, `pod/…`, `node/…`, `set/…`, `policy/default/web` or `isolation/default/web-0` as
 * the commands take it; undefined if it is none.
 */
export function parseReference(text: string): ObjectReference | undefined {
  const slash = text.indexOf('/');
  const word = text.slice(0, Math.max(0, slash));
  const kind = Object.hasOwn(COMMAND_KINDS, word) ? COMMAND_KINDS[word] : undefined;
  return kind === undefined || slash + 1 >= text.length ? undefined : { kind, name: text.slice(slash + 1) };
}

/** The status for people: target, agent, what keeps the manager from being ready, warnings, objects that need attention, tables in use, counters. */
export function formatStatus(response: StatusResponse): string {
  const sections: string[] = [];
  const target = response.target;
  if (target) {
    const role = target.connected ? (target.primary ? 'primary' : 'not primary') : 'not connected';
    sections.push(
      formatColumns([
        ['Target', `${target.address} (${role}, ${target.inSync ? 'in sync' : 'not in sync'})`],
        ['Written', `${target.updatesWritten} updates in ${target.writeRequests} requests`],
        ['Full sync', `${target.lastFullSyncMs} ms`],
        ...target.lacks.map((lack) => ['Target lacks', lack]),
        ...(target.lastError ? [['Last error', target.lastError]] : []),
        [
          'Agent',
          response.agent?.connected
            ? `${response.agent.nodeName}, revision ${response.agent.appliedRevision} applied`
            : 'not connected',
        ],
        [
          'Objects',
          `${response.programmed} programmed, ${response.pending} pending, ${response.degraded} degraded`,
        ],
      ]),
    );
  }
  for (const [heading, problems] of [
    ['NOT READY', response.problems],
    ['WARNING', response.warnings],
  ] as const) {
    if (problems.length === 0) continue;
    const rows = problems.map(({ reason, sinceMs, message }) => [
      reason,
      new Date(Number(sinceMs)).toISOString(),
      message,
    ]);
    sections.push(formatColumns([[heading, 'SINCE', 'MESSAGE'], ...rows]));
  }
  if (response.objects.length > 0) {
    sections.push(
      formatColumns([
        ['OBJECT', 'STATE', 'REASON', 'MESSAGE'],
        ...response.objects.map((object) => [
          formatReference(object.object),
          STATES[object.state],
          object.reason || '-',
          object.message || '-',
        ]),
      ]),
    );
  }
  const used = response.tables.filter((table) => table.entries > 0n);
  if (used.length > 0) {
    sections.push(
      formatColumns([
        ['TABLE', 'ENTRIES', 'SIZE'],
        ...used.map((table) => [table.name, `${table.entries}`, table.size > 0n ? `${table.size}` : '-']),
      ]),
    );
  }
  if (response.counters.length > 0) {
    sections.push(
      formatColumns([
        ['COUNTER', 'INDEX', 'PACKETS', 'BYTES'],
        ...response.counters.map((counter) => [
          counter.name,
          counter.index,
          `${counter.packets}`,
          counter.bytes > 0n ? `${counter.bytes}` : '-',
        ]),
      ]),
    );
  }
  return `${sections.join('\n\n')}\n`;
}

/** Names in a column; of many, the first. */
export function shortened(names: readonly string[]): string {
  const more = names.length - SPELLED_OUT;
  const some = names.slice(0, SPELLED_OUT).join(', ');
  return more > 0 ? `${some} and ${more} more` : some || '-';
}

/** The name of a pod as options take it. */
export function named(text: string): string {
  if (/^[^/]+\/[^/]+$/.test(text)) return text;
  throw new InvalidArgumentError('expected NAMESPACE/NAME');
}

/** One line an entry: what it is, and the device's error if it is not installed. */
export function formatEntry(entry: DeviceEntry): string {
  const state = entry.installed ? '' : `  [not installed${entry.error ? `: ${entry.error}` : ''}]`;
  return `${entry.text}${state}`;
}

/** JSON with 64-bit numbers as decimal strings, as protobuf's JSON mapping has them, and enum names. */
export function toJson(value: unknown, indent = 2): string {
  return JSON.stringify(
    value,
    (key, field: unknown) => {
      if (typeof field === 'bigint') return field.toString();
      if (key === 'state' && typeof field === 'number') return STATES[field as ObjectState] ?? field;
      if (key === 'verdict' && typeof field === 'number') return VERDICTS[field as TraceVerdict] ?? field;
      if (key === 'kind' && typeof field === 'number') return KINDS[field as ObjectKind] ?? field;
      return field;
    },
    indent,
  );
}
