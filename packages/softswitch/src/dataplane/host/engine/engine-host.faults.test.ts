import { faultTest } from '@infra-offload/faults';
import { expect } from 'vitest';
import { SoftswitchError } from '../../../errors.js';
import { smallArtifacts } from '../../../testing/forwarding.js';
import { hostileMessage } from '../../../testing/hostile-messages.js';
import { Operation, PROTOCOL_VERSION } from '../protocol.js';
import { readStatistics } from '../statistics.js';
import { ByteReader } from '../wire.js';
import { type EngineClient, EngineHost } from './engine-host.js';

faultTest(
  {
    fault: 'hostile messages to swx-engine, of the right form or almost',
    promise: 'each is answered or refused with its reason, and a batch that is refused changes nothing',
    sample: 3_000,
    unit: 'input',
  },
  ({ cases, random }) => {
    const engine = new EngineHost(smallArtifacts.spec, 'small.spec', { slots: 8, software: 'engine' });
    const client = (): EngineClient => ({
      version: PROTOCOL_VERSION,
      watches: false,
      takeDescriptor: () => undefined,
      giveDescriptor: () => undefined,
    });
    const [hostile, honest] = [client(), client()];
    const nothing = Buffer.alloc(0);
    const entries = (): number[] => {
      const answer = engine.handle(honest, Operation.STATISTICS, nothing);
      return readStatistics(new ByteReader(Buffer.from(answer))).tables.map((table) => table.entries);
    };
    const refusals = new Set<string>();
    for (let index = 0; index < cases; index++) {
      const { operation, body } = hostileMessage(random);
      const before = entries();
      try {
        engine.handle(hostile, operation, Buffer.from(body));
      } catch (error) {
        // Anything else is a fault of the engine.
        if (!SoftswitchError.is(error) || error.code === 'INTERNAL') throw error;
        refusals.add(error.message.replace(/\d+/g, 'N'));
        if (operation === Operation.BATCH) expect(entries()).toEqual(before);
      }
      hostile.version = PROTOCOL_VERSION;
    }
    expect(refusals.size).toBeGreaterThan(Math.min(20, cases / 20));
    return `${refusals.size} kinds of refusal, no other`;
  },
);
