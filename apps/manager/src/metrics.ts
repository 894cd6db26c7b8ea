import { type ReadinessReason, WARNING_REASONS } from '@infra-offload/infra-api';
import type { CertificateSource, PeerCounts } from '@infra-offload/tls-certs/grpc';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Controller } from './controller/controller.js';
import { kindOf } from './model/objects.js';
import type { Problem } from './readiness.js';
import type { Reconciler } from './reconciler/reconciler.js';
import type { Security } from './security.js';
import type { Inspector } from './server/inspect.js';
import type { PolicyCounts } from './server/policy-counts.js';
import type { TargetState } from './target/connection.js';
import type { Warning } from './warnings.js';

/** What the metrics are read from. */
export interface MetricsSources<Row> {
  readonly reconciler: Reconciler<Row>;
  readonly controller: Controller<Row>;
  readonly inspector: Inspector<Row>;
  readonly policyCounts: Pick<PolicyCounts, 'totals'>;
  readonly targetState: () => TargetState;
  readonly agentConnected: () => boolean;
  readonly peers: () => PeerCounts;
  readonly certificates: Security['certificates'];
  readonly problems: () => readonly Problem[];
  readonly warnings: () => readonly Warning[];
  readonly endedFlows: () => number;
}

/** The manager's metrics, all read when they are asked for; see docs/monitoring.md. */
export function createMetrics<Row>(sources: MetricsSources<Row>): Registry {
  const registry = new Registry();
  const registers = [registry];
  const { reconciler, controller, inspector, targetState, agentConnected, peers, certificates } = sources;
  const { problems, warnings, policyCounts, endedFlows } = sources;
  collectDefaultMetrics({ register: registry });

  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `infra_manager_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  const counter = (name: string, help: string, read: () => number) =>
    new Counter({
      name: `infra_manager_${name}_total`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });

  gauge('target_connected', '1 while there is a session with the target.', () =>
    Number(targetState().kind !== 'connecting'),
  );
  gauge('target_primary', '1 while this manager is the primary of the target.', () => {
    const { kind } = targetState();
    return Number(kind === 'ready' || kind === 'synchronising');
  });
  gauge('target_in_sync', '1 while the target has everything wanted.', () => Number(reconciler.inSync));
  gauge('agent_connected', '1 while there is a Sync stream.', () => Number(agentConnected()));
  gauge('peer_connections', 'Connections of agents and operators.', () => peers().connections);
  counter('peers_refused', 'Clients that were refused.', () => peers().refused);
  counter('peers_ended', 'Connections that were ended because of a limit.', () => peers().ended);
  gauge('agent_snapshot_complete', '1 once a whole snapshot has been received since the start.', () =>
    Number(controller.recovery.hasSnapshot),
  );
  gauge(
    'kept_entities',
    'Entities on the target that nothing wants so far, kept until a snapshot says whether they are wanted.',
    () => reconciler.kept,
  );
  const sinceOf = (reason: ReadinessReason) =>
    problems().find((problem) => problem.reason === reason)?.since ?? 0;
  gauge('ready', '1 while nothing keeps the manager from being ready.', () =>
    Number(problems().length === 0),
  );
  gauge(
    'target_away_timestamp_seconds',
    'Since when there has been no session with the target; 0 if there is one.',
    () => sinceOf('TargetAway') / 1000,
  );
  gauge(
    'state_not_storable_timestamp_seconds',
    'Since when the state has been kept only in memory; 0 if it is stored.',
    () => sinceOf('StateNotStorable') / 1000,
  );
  counter(
    'pod_share_ended_flows',
    'Flows that were ended because their pods had more at once than their share.',
    endedFlows,
  );
  new Gauge({
    name: 'infra_manager_warning_timestamp_seconds',
    help: 'Since when connections have suffered from something; 0 if they do not.',
    labelNames: ['reason'],
    registers,
    collect() {
      for (const reason of Object.keys(WARNING_REASONS)) this.set({ reason }, 0);
      // Of several for one reason, the first.
      const first = [...warnings()].sort((a, b) => b.since - a.since);
      for (const { reason, since } of first) this.set({ reason }, since / 1000);
    },
  });
  const certificateGauge = (name: string, help: string, read: (source: CertificateSource) => number) =>
    new Gauge({
      name: `infra_manager_certificate_${name}`,
      help,
      labelNames: ['use'],
      registers,
      collect() {
        for (const [use, source] of certificates) this.set({ use }, read(source));
      },
    });
  certificateGauge(
    'expiry_timestamp_seconds',
    'When the first of the certificates in use, or of those above them, expires.',
    ({ notAfter }) => notAfter.getTime() / 1000,
  );
  certificateGauge(
    'valid',
    '1 while the certificates in use are valid, and their files can be used.',
    ({ problem }) => Number(problem === undefined),
  );
  gauge(
    'last_full_sync_seconds',
    'Duration of the last full synchronisation.',
    () => reconciler.stats.lastFullSyncMs / 1000,
  );
  gauge(
    'backlog_entities',
    'Entities waiting to be written to the target or removed from it.',
    () => reconciler.backlog,
  );
  counter('writes', 'Write requests sent to the target.', () => reconciler.stats.writeRequests);
  counter('updates_written', 'Entities that the target accepted.', () => reconciler.stats.updatesWritten);
  counter(
    'updates_failed',
    'Entities that the target refused, or that got no answer.',
    () => reconciler.stats.updatesFailed,
  );
  counter(
    'drift_repaired',
    'Entities that differed from what was written, and were repaired.',
    () => reconciler.stats.driftFound,
  );

  new Gauge({
    name: 'infra_manager_objects',
    help: 'Wanted objects by kind and state.',
    labelNames: ['kind', 'state'],
    registers,
    collect() {
      this.reset();
      for (const [key, status] of controller.statuses()) this.inc({ kind: kindOf(key), state: status.state });
    },
  });
  const packetsCounter = (name: string, help: string, outcome: 'drops' | 'rejects') =>
    new Counter({
      name: `infra_manager_${name}_packets_total`,
      help,
      labelNames: ['reason', 'text'],
      registers,
      async collect() {
        const counts = await inspector.packetsBy(outcome);
        this.reset();
        for (const { reason, text, packets } of counts) this.inc({ reason, text }, packets);
      },
    });
  packetsCounter('dropped', 'Packets that the target dropped, by reason.', 'drops');
  packetsCounter(
    'refused',
    'Packets that the target answered with a reset or ICMP error, by reason.',
    'rejects',
  );

  new Counter({
    name: 'infra_manager_service_flows_total',
    help: 'New flows to services since the program of the target was started.',
    registers,
    async collect() {
      const flows = await inspector.serviceFlows();
      this.remove();
      if (flows !== undefined) this.inc(flows);
    },
  });

  const policyCounter = (name: string, help: string, which: 'allowedFlows' | 'deniedPackets') =>
    new Counter({
      name: `infra_manager_policy_${name}_total`,
      help,
      labelNames: ['direction', 'policies'],
      registers,
      async collect() {
        const totals = await policyCounts.totals();
        this.reset();
        for (const { direction, policies, count } of totals[which]) this.inc({ direction, policies }, count);
      },
    });
  policyCounter('allowed_flows', 'New flows that policies have allowed.', 'allowedFlows');
  policyCounter('denied_packets', 'Packets that policies have denied.', 'deniedPackets');

  const tableGauge = (name: string, help: string, field: 'entries' | 'size') =>
    new Gauge({
      name: `infra_manager_${name}`,
      help,
      labelNames: ['table'],
      registers,
      collect() {
        for (const usage of inspector.tables()) this.set({ table: usage.name }, Number(usage[field]));
      },
    });
  tableGauge('table_entries', 'Entities in a table of the target, as far as known.', 'entries');
  tableGauge('table_size', 'Entities that a table of the target can hold.', 'size');
  return registry;
}
