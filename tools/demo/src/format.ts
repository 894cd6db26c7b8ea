import { formatColumns } from '@infra-offload/base';
import type { Summary } from './scenario.js';

/** The summary for people. */
export function formatSummary(summary: Summary, totalMs: number): string {
  const endpoints = [...new Set(summary.spreads.flatMap((row) => Object.keys(row.servers)))].sort();
  const lines = [
    'Pods',
    formatColumns([
      ['', 'name', 'address', 'CNI ADD'],
      ...summary.pods.map(({ name, ip, addMs }) => ['', name, ip, `${addMs.toFixed(0)} ms`]),
    ]),
    '',
    `Service default/${summary.service.name} at ${summary.service.clusterIp}`,
    formatColumns([
      ['', 'port', 'protocol', 'target port'],
      ...summary.service.ports.map((port) => [
        '',
        `${port.name} ${port.port}`,
        port.protocol ?? 'TCP',
        `${port.targetPort ?? port.port}`,
      ]),
    ]),
    '',
    'New connections by endpoint',
    formatColumns([
      ['', 'endpoints', 'protocol', ...endpoints, 'failed'],
      ...summary.spreads.map(({ phase, protocol, servers, failed }) => [
        '',
        phase.replace(' endpoints', ''),
        protocol,
        ...endpoints.map((name) => `${servers[name] ?? 0}`),
        `${failed}`,
      ]),
    ]),
    '',
    'Tables in use',
    formatColumns([
      ['', 'table', 'entries', 'size'],
      ...[...summary.tables]
        .filter(([, { entries }]) => entries > 0)
        .map(([name, { entries, size }]) => ['', name, `${entries}`, size > 0 ? `${size}` : '-']),
    ]),
    '',
    'Timings',
    formatColumns([
      ...summary.timings.map(({ what, ms }) => ['', what, `${ms.toFixed(0)} ms`]),
      ['', 'everything', `${(totalMs / 1000).toFixed(1)} s`],
    ]),
    '',
    summary.failures.length === 0
      ? 'Everything went as it should.'
      : ['NOT as it should:', ...summary.failures.map((failure) => `  ${failure}`)].join('\n'),
  ];
  return lines.join('\n');
}
