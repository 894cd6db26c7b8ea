import { messageOf } from '@infra-offload/base';
import { Testbed } from '@infra-offload/testbed';
import { formatSummary } from './format.js';
import { runScenario } from './scenario.js';

const making = Testbed.create({ tapCount: 5 });
let testbed: Testbed | undefined;
let interrupted = false;

/** Ctrl-C in the middle leaves nothing behind either. */
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (interrupted) return;
    interrupted = true;
    console.error(`\n${signal}: cleaning up`);
    void making.then((made) => made.stop()).finally(() => process.exit(130));
  });
}

const started = performance.now();
try {
  console.log('Starting softswitch, infra-manager and infra-agent, with mutual TLS between them …');
  testbed = await making;
  await testbed.startAll();
  const summary = await runScenario(testbed, (step) => {
    console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(5)} s  ${step}`);
  });
  console.log(`\n${formatSummary(summary, performance.now() - started)}`);
  process.exitCode = summary.failures.length === 0 ? 0 : 1;
} catch (error) {
  if (!interrupted) {
    console.error(`demo: ${messageOf(error)}`);
    if (error instanceof Error && error.cause) console.error(error.cause);
    for (const process of testbed ? [testbed.softswitch, testbed.manager, testbed.agent] : []) {
      console.error(`--- the end of the log of ${process.name}:\n${process.tail()}`);
    }
    process.exitCode = 1;
  }
} finally {
  if (!interrupted) await testbed?.stop();
}
