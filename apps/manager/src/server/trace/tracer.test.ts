import { type TraceRequest, TraceVerdict } from '@infra-offload/infra-api';
import { ipv4, ipv4Prefix, mac } from '@infra-offload/net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { aNode, aPod, aService, Core, coreDriver } from '../../testing/core.js';
import { Flows } from '../flows.js';
import { Tracer } from './tracer.js';

let core: Core;

beforeEach(() => {
  core = new Core();
});
afterEach(() => core.stop());

function ask(request: Partial<TraceRequest>) {
  const session = () => undefined;
  const flows = new Flows({ driver: coreDriver, controller: core.controller, session });
  const { controller, reconciler } = core;
  const tracer = new Tracer({ driver: coreDriver, controller, reconciler, flows, session });
  const whole = { from: 'default/pod-1', to: '', port: 0, protocol: 0, sourcePort: 0, ...request };
  return tracer.trace(whole);
}

it('x', async () => {
  core.controller.upsert(aNode());
  for (const i of [1, 2, 3]) core.controller.upsert(aPod(i));
  core.controller.upsert(aService('web', 10, [2, 3]));
  core.tellPorts('mem0', 'mem1', 'mem2', 'mem3');
  await core.attach();
  const t = performance.now();
  console.log(JSON.stringify(await ask({ to: 'default/web' }), (k, v) => (typeof v === 'bigint' ? `${v}` : v), 1), performance.now() - t);
});
