import { Server, ServerCredentials, type ServerUnaryCall, status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type CapabilityResponse,
  Encoding,
  type GetRequest,
  type GetResponse,
  type gNMIServer,
  gNMIService,
  type Notification,
  type SetRequest,
  type SubscribeRequest,
  type SubscribeResponse,
} from '../gen/gnmi/gnmi.js';
import { GnmiClient, type GnmiEvent } from './client.js';
import { formatPath, parsePath } from './path.js';
import { decodeUpdateValue, decodeValue, encodeValue, type GnmiInput } from './value.js';
import { createTapPort, virtualPortNumber } from './virtual-port.js';

describe('paths', () => {
  it.each([
    ['', '', []],
    ['/', '', []],
    [
      'interfaces/virtual-interface[name=TAP0]/config/mtu',
      '',
      [
        ['interfaces', {}],
        ['virtual-interface', { name: 'TAP0' }],
        ['config', {}],
        ['mtu', {}],
      ],
    ],
    [
      '/a[k=v][l=w]/b',
      '',
      [
        ['a', { k: 'v', l: 'w' }],
        ['b', {}],
      ],
    ],
    ['openconfig:/system', 'openconfig', [['system', {}]]],
    ['oc:/', 'oc', []],
    [
      '/oc:/x',
      '',
      [
        ['oc:', {}],
        ['x', {}],
      ],
    ],
    ['a[k=x/y=z]', '', [['a', { k: 'x/y=z' }]]],
    ['a[k=[x\\]\\\\]', '', [['a', { k: '[x]\\' }]]],
    ['a\\/b\\[c', '', [['a/b[c', {}]]],
    ['a[k=]', '', [['a', { k: '' }]]],
    ['a[__proto__=x]', '', [['a', JSON.parse('{"__proto__":"x"}')]]],
    [
      '*/...',
      '',
      [
        ['*', {}],
        ['...', {}],
      ],
    ],
  ])('reads %j', (text, origin, elements) => {
    const path = parsePath(text);
    expect(path.origin).toBe(origin);
    expect(path.elem.map(({ name, key }) => [name, key])).toEqual(elements);
  });

  it.each([
    ['a//b', 2, 'an element has no name'],
    ['a/', 2, "ends with '/'"],
    ['a[k=v', 5, "expected ']'"],
    ['a[k]', 3, "expected '='"],
    ['a[=v]', 2, 'a key has no name'],
    ['[k=v]', 0, 'an element has no name'],
    ['a[k=v]b', 6, "expected '/'"],
    ['a]b', 1, "']' without '['"],
    ['a[k=1][k=2]', 7, "key 'k' is given twice"],
    ['a\\', 2, "nothing follows '\\'"],
  ])('refuses %j at %i', (text, position, reason) => {
    expect(() => parsePath(text)).toThrow(
      expect.objectContaining({
        code: 'PATH_SYNTAX',
        details: { path: text, position },
        message: expect.stringContaining(reason),
      }),
    );
  });

  const name = fc.string({
    minLength: 1,
    unit: fc.constantFrom('a', 'b', '/', '[', ']', '\\', '=', ':', '"', ' ', 'é'),
  });
  const element = fc.record({
    name,
    key: fc.dictionary(name, fc.string({ unit: 'binary' }), { noNullPrototype: true }),
  });
  it('round trip through text (property)', () => {
    fc.assert(
      fc.property(fc.constantFrom('', 'openconfig', 'x'), fc.array(element), (origin, elem) => {
        const text = formatPath({ origin, elem, element: [] });
        const path = parsePath(text);
        expect(path).toEqual({ origin, elem, element: [], target: '' });
        expect(formatPath(path)).toBe(text);
      }),
    );
  });

  it('never fail but with PATH_SYNTAX (property)', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', '/', '[', ']', '\\', '=', ':') }), (text) => {
        try {
          expect(parsePath(formatPath(parsePath(text)))).toEqual(parsePath(text));
        } catch (error) {
          expect(error).toMatchObject({ code: 'PATH_SYNTAX' });
        }
      }),
    );
  });
});

describe('values', () => {
  it.each<[string, GnmiInput]>([
    ['stringVal', 'text'],
    ['intVal', 1500],
    ['intVal', -(2n ** 63n)],
    ['uintVal', 2n ** 64n - 1n],
    ['boolVal', true],
    ['bytesVal', Uint8Array.of(1)],
    ['decimalVal', -0.05],
    ['leaflistVal', ['a', 1, false]],
    ['jsonVal', { json: { mtu: 1500 } }],
  ])('of kind %s go and come back', (kind, input) => {
    const typed = encodeValue(input);
    expect(typed.value?.$case).toBe(kind);
    expect(decodeValue(typed)).toEqual(input);
  });

  it('pass as they are when they are a TypedValue already', () => {
    const typed = { value: { $case: 'uintVal', value: 7n } } as const;
    expect(encodeValue(typed)).toBe(typed);
    expect(decodeValue(typed)).toBe(7);
  });

  it('that cannot be carried exactly are refused', () => {
    for (const value of [2n ** 64n, Number.NaN, Number.POSITIVE_INFINITY, 1e-7, 1e300]) {
      expect(() => encodeValue(value)).toThrow(expect.objectContaining({ code: 'INVALID' }));
    }
  });

  it('that are no values are refused', () => {
    const json = { value: { $case: 'jsonVal', value: Buffer.from('{') } } as const;
    for (const typed of [undefined, { value: undefined }, json]) {
      expect(() => decodeValue(typed)).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
    }
  });

  it('of the deprecated form are read', () => {
    const update = { path: undefined, val: undefined, duplicates: 0 };
    const value = Buffer.from('5');
    expect(decodeUpdateValue({ ...update, value: { value, type: Encoding.JSON } })).toEqual({ json: 5 });
    expect(decodeUpdateValue({ ...update, value: { value, type: Encoding.BYTES } })).toEqual(value);
  });
});

describe('GnmiClient', () => {
  let server: Server;
  let client: GnmiClient;
  const sets: SetRequest[] = [];
  let onGet: (request: GetRequest) => GetResponse | { code: number; details: string };

  beforeEach(async () => {
    sets.length = 0;
    onGet = () => ({ notification: [], error: undefined, extension: [] });
    server = new Server();
    server.addService(gNMIService, implementation());
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    client = GnmiClient.connect({ address: `127.0.0.1:${port}`, deadlineMs: 20_000 });
  });

  afterEach(() => {
    client.close();
    client.close();
    server.forceShutdown();
  });

  function notification(path: string, value: GnmiInput, prefix?: string): Notification {
    return {
      timestamp: 1n,
      prefix: prefix === undefined ? undefined : parsePath(prefix),
      alias: '',
      update: [{ path: parsePath(path), value: undefined, val: encodeValue(value), duplicates: 0 }],
      delete: [],
      atomic: false,
    };
  }

  function implementation(): gNMIServer {
    const capabilities: CapabilityResponse = {
      supportedModels: [{ name: 'm', organization: 'o', version: '1' }],
      supportedEncodings: [Encoding.PROTO],
      gNMIVersion: '0.7.0',
      extension: [],
    };
    return {
      capabilities: (_, callback) => callback(null, capabilities),
      get: (call: ServerUnaryCall<GetRequest, GetResponse>, callback) => {
        const outcome = onGet(call.request);
        if ('code' in outcome) callback(outcome, null);
        else callback(null, outcome);
      },
      set: (call: ServerUnaryCall<SetRequest, object>, callback) => {
        sets.push(call.request);
        callback(null, { prefix: undefined, response: [], message: undefined, timestamp: 0n, extension: [] });
      },
      subscribe: (call) => {
        call.on('data', (request: SubscribeRequest) => {
          const mode = request.request?.$case === 'subscribe' ? request.request.value.mode : -1;
          const send = (response: SubscribeResponse['response']) => call.write({ response, extension: [] });
          send({ $case: 'update', value: notification('x', mode) });
          send({ $case: 'update', value: { ...notification('y', 1), update: [], delete: [parsePath('y')] } });
          send({ $case: 'syncResponse', value: true });
          if (mode === 1) call.end();
        });
      },
    };
  }

  it('tells capabilities', async () => {
    expect(await client.capabilities()).toEqual({
      version: '0.7.0',
      models: [{ name: 'm', organization: 'o', version: '1' }],
      encodings: ['PROTO'],
    });
  });

  it('asks for a port number as infrap4d wants it', async () => {
    onGet = (request) => {
      expect(request).toMatchObject({ type: 0, encoding: Encoding.PROTO });
      expect(request.path.map(formatPath)).toEqual([
        'interfaces/virtual-interface[name=TAP0]/config/tdi-portin-id',
      ]);
      const value = { value: { $case: 'uintVal', value: 3n } } as const;
      return {
        notification: [notification('config/tdi-portin-id', value, 'interfaces')],
        error: undefined,
        extension: [],
      };
    };
    expect(await virtualPortNumber(client, 'TAP0')).toBe(3);
    onGet = () => ({ notification: [], error: undefined, extension: [] });
    await expect(virtualPortNumber(client, 'TAP0')).rejects.toMatchObject({
      code: 'MALFORMED',
      message: expect.stringContaining('got nothing'),
    });
    onGet = () => ({ code: status.NOT_FOUND, details: 'no port' });
    await expect(virtualPortNumber(client, 'TAP0')).rejects.toMatchObject({
      code: 'NOT_FOUND',
      details: { method: 'Get' },
    });
  });

  it('puts the prefix before paths, and heeds errors of the old kind', async () => {
    onGet = () => ({ notification: [notification('b[k=v]', 'x', '/a')], error: undefined, extension: [] });
    expect(await client.get(['a'])).toEqual([{ path: 'a/b[k=v]', value: 'x' }]);
    onGet = () => ({ notification: [], error: { code: 3, message: 'bad', data: undefined }, extension: [] });
    await expect(client.get(['a'])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('makes a TAP port leaf by leaf, the type last', async () => {
    await createTapPort(client, { name: 'TAP0', mtu: 1280 });
    expect(sets).toHaveLength(1);
    expect(sets[0]?.update.map(({ path, val }) => [path && formatPath(path), decodeValue(val)])).toEqual([
      ['interfaces/virtual-interface[name=TAP0]/config/pipeline-name', 'pipe'],
      ['interfaces/virtual-interface[name=TAP0]/config/mempool-name', 'MEMPOOL0'],
      ['interfaces/virtual-interface[name=TAP0]/config/mtu', 1280],
      ['interfaces/virtual-interface[name=TAP0]/config/port-type', 'TAP'],
    ]);
  });

  it('deletes and replaces', async () => {
    await client.set({ delete: ['a/b'], replace: [{ path: 'c', value: { json: { d: 1 } } }] });
    expect(sets[0]?.delete.map(formatPath)).toEqual(['a/b']);
    expect(decodeValue(sets[0]?.replace[0]?.val)).toEqual({ json: { d: 1 } });
    await expect(client.set({ delete: ['a//b'] })).rejects.toMatchObject({ code: 'PATH_SYNTAX' });
  });

  it('subscribes once, and until the loop is left', async () => {
    const seen: GnmiEvent[] = [];
    for await (const event of client.subscribe(['x'], { mode: 'ONCE' })) seen.push(event);
    expect(seen).toEqual([
      { kind: 'update', path: 'x', value: 1, timestamp: 1n },
      { kind: 'delete', path: 'y', timestamp: 1n },
      { kind: 'sync' },
    ]);
    const sampling = { mode: 'SAMPLE', intervalMs: 500 } as const;
    for await (const event of client.subscribe(['x'], { mode: 'STREAM', sampling })) {
      if (event.kind === 'sync') break;
    }
  });
});
