import type { Summary } from './scenario.js';

/** The summary for people. */
export function formatSummary(summary: Summary, totalMs: number): string {
  const endpoints = [...new Set(summary.spreads.flatMap((row) => Object.keys(row.servers)))].sort();
  const lines = [
    'Pods',
    ...columns([
      ['', 'name', 'address', 'CNI ADD'],
      ...summary.pods.map(({ name, ip, addMs }) => ['', name, ip, `${addMs.toFixed(0)} ms`]),
    ]),
    '',
    `Service default/${summary.service.name} at ${summary.service.clusterIp}`,
    ...columns([
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
    ...columns([
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
    ...columns([
      ['', 'table', 'entries', 'size'],
      ...[...summary.tables]
        .filter(([, { entries }]) => entries > 0)
        .map(([name, { entries, size }]) => ['', name, `${entries}`, size > 0 ? `${size}` : '-']),
    ]),
    '',
    'Timings',
    ...columns([
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

function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, cell.length);
    });
  }
  return rows.map((row) =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
