/**
 * Sends HTTP requests to `address:port`, each over a connection of its own, `rate` of them a second, until SIGTERM: `load ADDRESS PORT RATE`.
 * Then it writes what became of them to standard output, as JSON.
 */
import { connect } from 'node:net';
import type { LoadResult } from './load.js';

/** As patient as who uses curl in a probe. */
const PATIENCE_MS = 5_000;
const REQUEST = 'GET /hostname HTTP/1.0\r\n\r\n';

const [address = '', port, rate] = process.argv.slice(2);
const failures = new Map<string, number>();
const started = performance.now();
let [requests, underWay, isOver] = [0, 0, false];
let [lastAnswer, longestGapMs] = [started, 0];

function request(): void {
  requests += 1;
  underWay += 1;
  const socket = connect({ host: address, port: Number(port) });
  let answer = '';
  let failure: string | undefined;
  const late = setTimeout(() => {
    failure = 'no answer in time';
    socket.destroy();
  }, PATIENCE_MS);
  socket.setEncoding('latin1');
  socket.on('connect', () => socket.write(REQUEST));
  socket.on('data', (text: string) => {
    answer += text;
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    failure ??= error.code ?? error.message;
  });
  socket.on('close', () => {
    clearTimeout(late);
    underWay -= 1;
    if (failure === undefined && /^HTTP\/1\.[01] 200 /.test(answer)) {
      longestGapMs = Math.max(longestGapMs, performance.now() - lastAnswer);
      lastAnswer = performance.now();
    } else {
      const what = failure ?? 'no HTTP answer';
      failures.set(what, (failures.get(what) ?? 0) + 1);
    }
    if (isOver && underWay === 0) finish();
  });
}

function finish(): void {
  const result: LoadResult = {
    requests,
    failures: Object.fromEntries(failures),
    longestGapMs: Math.round(longestGapMs),
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

const timer = setInterval(() => {
  const due = ((performance.now() - started) / 1000) * Number(rate);
  while (requests < due) request();
}, 5);

process.once('SIGTERM', () => {
  isOver = true;
  clearInterval(timer);
  if (underWay === 0) finish();
});
