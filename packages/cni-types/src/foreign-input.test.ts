import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CniError,
  formatResult,
  parseCniArgs,
  parseEnvironment,
  parseNetworkConfig,
  parsePluginConfig,
  parseResult,
  SUPPORTED_VERSIONS,
} from './index.js';

/** Runs `read`; whatever it throws must be a CniError with a message. */
function expectAnswerOrCniError(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    expect(CniError.is(error) && error.message !== '' && error.code > 0).toBe(true);
  }
}

/** JSON that looks like a configuration or a result here and there, so that it gets past the first checks. */
const almost = fc.record(
  {
    cniVersion: fc.oneof(fc.constantFrom(...SUPPORTED_VERSIONS), fc.jsonValue()),
    name: fc.oneof(fc.constantFrom('pods'), fc.jsonValue()),
    type: fc.oneof(fc.constantFrom('infra-cni'), fc.jsonValue()),
    plugins: fc.oneof(fc.array(fc.record({ type: fc.string() })), fc.jsonValue()),
    ipam: fc.jsonValue(),
    prevResult: fc.jsonValue(),
    ips: fc.oneof(
      fc.array(fc.record({ address: fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()) })),
      fc.jsonValue(),
    ),
    routes: fc.jsonValue(),
    interfaces: fc.jsonValue(),
  },
  { requiredKeys: [] },
);

describe('foreign input', () => {
  it('is read, or refused with a CniError', () => {
    fc.assert(
      fc.property(fc.oneof(almost, fc.jsonValue()), (json) => {
        const text = JSON.stringify(json);
        expectAnswerOrCniError(() => parsePluginConfig(text));
        expectAnswerOrCniError(() => parseNetworkConfig(text));
        expectAnswerOrCniError(() => parseResult(json));
      }),
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        expectAnswerOrCniError(() => parsePluginConfig(text));
        expectAnswerOrCniError(() => parseCniArgs(text));
        expectAnswerOrCniError(() =>
          parseEnvironment({ CNI_COMMAND: 'ADD', CNI_CONTAINERID: text, CNI_IFNAME: text, CNI_NETNS: text }),
        );
      }),
    );
  });
});

describe('results', () => {
  const prefix = fc.oneof(
    fc.tuple(fc.ipV4(), fc.nat(32)).map(([address, length]) => `${address}/${length}`),
    fc.tuple(fc.ipV6(), fc.nat(128)).map(([address, length]) => `${address}/${length}`),
  );
  const result = fc.record({
    cniVersion: fc.constant('1.1.0'),
    interfaces: fc.array(fc.record({ name: fc.string(), mtu: fc.nat(9000) }), { minLength: 1 }),
    ips: fc.array(fc.record({ address: prefix, interface: fc.constant(0) })),
    routes: fc.array(fc.record({ dst: prefix, priority: fc.nat() })),
    dns: fc.record({ search: fc.array(fc.string()) }),
  });

  it('lose nothing in the newest version, and no more than once in older ones', () => {
    fc.assert(
      fc.property(result, fc.constantFrom(...SUPPORTED_VERSIONS), (json, version) => {
        expect(formatResult(parseResult(json), '1.1.0')).toEqual(json);
        const older = formatResult(parseResult(json), version);
        expect(formatResult(parseResult(older), version)).toEqual(older);
      }),
    );
  });
});
