import { credentials, type ServiceError, status } from '@grpc/grpc-js';
import { parsePath } from '@infra-offload/p4rt';
import { gnmi } from '@infra-offload/p4rt/proto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryPorts } from '../ports/memory.js';
import { Softswitch } from '../softswitch.js';

let softswitch: Softswitch;
let ports: MemoryPorts;
let client: gnmi.gNMIClient;

beforeEach(async () => {
  ports = new MemoryPorts(2);
  softswitch = await Softswitch.start({ p4runtimeAddress: '127.0.0.1:0', gnmiAddress: '127.0.0.1:0', ports });
  client = new gnmi.gNMIClient(softswitch.gnmiAddress, credentials.createInsecure());
});
afterEach(async () => {
  client.close();
  await softswitch.stop();
});

type Result<T> = { response: T; code: 'OK' } | { response: undefined; code: string };

function toResult<T>(
  call: (done: (error: ServiceError | null, response: T) => void) => void,
): Promise<Result<T>> {
  return new Promise((resolve) =>
    call((error, response) =>
      resolve(error === null ? { response, code: 'OK' } : { response: undefined, code: status[error.code] }),
    ),
  );
}

function get(path: string, encoding = gnmi.Encoding.PROTO, type = gnmi.GetRequest_DataType.ALL) {
  const request = {
    prefix: undefined,
    path: [parsePath(path)],
    type,
    encoding,
    useModels: [],
    extension: [],
  };
  return toResult<gnmi.GetResponse>((done) => client.get(request, done));
}

async function updates(path: string): Promise<(gnmi.TypedValue | undefined)[]> {
  const { response } = await get(path);
  return response?.notification.flatMap(({ update }) => update.map(({ val }) => val)) ?? [];
}

type Setting = [path: string, value: gnmi.TypedValue['value']];

function set(update: readonly Setting[], remove: readonly string[] = []) {
  const request = {
    prefix: undefined,
    delete: remove.map(parsePath),
    replace: [],
    update: update.map(([path, value]) => ({
      path: parsePath(path),
      value: undefined,
      val: { value },
      duplicates: 0,
    })),
    extension: [],
  };
  return toResult<gnmi.SetResponse>((done) => client.set(request, done));
}

const text = (value: string): gnmi.TypedValue['value'] => ({ $case: 'stringVal', value });
const number = (value: bigint): gnmi.TypedValue['value'] => ({ $case: 'uintVal', value });
const json = (value: unknown): gnmi.TypedValue['value'] => ({
  $case: 'jsonIetfVal',
  value: Buffer.from(JSON.stringify(value)),
});
const config = (name: string, leaf: string): string =>
  `interfaces/virtual-interface[name=${name}]/config/${leaf}`;

/** What gnmi-ctl sends for one TAP port. */
const tap = (name: string): Setting[] => [
  [config(name, 'pipeline-name'), text('pipe')],
  [config(name, 'mempool-name'), text('MEMPOOL0')],
  [config(name, 'mtu'), number(1400n)],
  [config(name, 'port-type'), text('TAP')],
];

describe('get', () => {
  it('N1 the number of a port is an unsigned value, in both directions', async () => {
    expect(await updates(config('mem1', 'tdi-portin-id'))).toEqual([
      { value: { $case: 'uintVal', value: 1n } },
    ]);
    expect(await updates(config('mem1', 'tdi-portout-id'))).toEqual([
      { value: { $case: 'uintVal', value: 1n } },
    ]);
  });

  it('N2 containers are all their leaves, or one JSON object', async () => {
    expect((await updates('interfaces/virtual-interface[name=mem0]/config')).length).toBeGreaterThan(4);
    expect((await updates('interfaces/virtual-interface[name=*]/config/mtu')).length).toBe(2);
    expect((await updates('')).length).toBeGreaterThan(10);
    const { response } = await get('interfaces/virtual-interface[name=mem0]/config', gnmi.Encoding.JSON_IETF);
    const value = response?.notification[0]?.update[0]?.val?.value;
    expect(value?.$case).toBe('jsonIetfVal');
    expect(
      JSON.parse(Buffer.from(value?.$case === 'jsonIetfVal' ? value.value : []).toString()),
    ).toMatchObject({
      name: 'mem0',
      mtu: 1500,
      'tdi-portin-id': 0,
    });
  });

  it('N3 the type narrows to configuration or state', async () => {
    const { response } = await get('interfaces', gnmi.Encoding.PROTO, gnmi.GetRequest_DataType.STATE);
    const paths = response?.notification[0]?.update.map(({ path }) => path?.elem[2]?.name) ?? [];
    expect(new Set(paths)).toEqual(new Set(['state']));
  });

  it.each([
    [config('nobody', 'mtu'), 'NOT_FOUND'],
    [config('mem0', 'nothing'), 'NOT_FOUND'],
    ['system/config', 'NOT_FOUND'],
    ['interfaces/interface[name=mem0]/config', 'NOT_FOUND'],
    ['interfaces/virtual-interface[port=1]/config', 'INVALID_ARGUMENT'],
    ['interfaces[name=mem0]/virtual-interface', 'INVALID_ARGUMENT'],
  ])('N4 %s is %s', async (path, code) => {
    expect((await get(path)).code).toBe(code);
  });

  it('N5 other encodings are UNIMPLEMENTED', async () => {
    expect((await get('interfaces', gnmi.Encoding.ASCII)).code).toBe('UNIMPLEMENTED');
  });
});

describe('set', () => {
  it('N10 makes a port as gnmi-ctl asks for it; the same again changes nothing', async () => {
    const { response } = await set(tap('P4TAP_7'));
    expect(response?.response.map(({ op }) => op)).toEqual(Array(4).fill(gnmi.UpdateResult_Operation.UPDATE));
    expect(ports.find('P4TAP_7')).toMatchObject({ number: 7, mtu: 1400 });
    expect(await set(tap('P4TAP_7'))).toMatchObject({ code: 'OK' });
    expect(ports.list()).toHaveLength(3);
  });

  it('N11 takes the configuration as JSON, too', async () => {
    const path = 'interfaces/virtual-interface[name=P4TAP_9]';
    expect(await set([[`${path}/config`, json({ 'port-type': 'tap', mtu: 1300 })]])).toMatchObject({
      code: 'OK',
    });
    expect(ports.find('P4TAP_9')).toMatchObject({ number: 9, mtu: 1300 });
    expect(
      await set([['interfaces/virtual-interface[name=P4TAP_8]', json({ config: { 'port-type': 'TAP' } })]]),
    ).toMatchObject({ code: 'OK' });
    expect(ports.find('P4TAP_8')).toBeDefined();
  });

  it('N12 deletes a port', async () => {
    expect(await set([], ['interfaces/virtual-interface[name=mem1]'])).toMatchObject({ code: 'OK' });
    expect(ports.list().map(({ name }) => name)).toEqual(['mem0']);
    expect(await set([], ['interfaces/virtual-interface[name=mem1]'])).toMatchObject({ code: 'NOT_FOUND' });
    expect(await set([], ['interfaces'])).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('N14 leaves collect until they suffice, each in a Set of its own', async () => {
    const leaves: Setting[] = [
      [config('net_vhost0', 'device-type'), text('VIRTUAL_DEVICE')],
      [config('net_vhost0', 'name'), text('net_vhost0')],
      [config('net_vhost0', 'pipeline-name'), text('pipe')],
      [config('net_vhost0', 'mempool-name'), text('MEMPOOL0')],
      [config('net_vhost0', 'mtu'), number(1400n)],
    ];
    for (const leaf of leaves) expect(await set([leaf])).toMatchObject({ code: 'OK' });
    expect(ports.list()).toHaveLength(2);
    expect((await set([[config('net_vhost0', 'mtu'), text('wide')]])).code).toBe('INVALID_ARGUMENT');
    expect(await set([[config('net_vhost0', 'port-type'), text('TAP')]])).toMatchObject({ code: 'OK' });
    expect(ports.find('net_vhost0')).toMatchObject({ mtu: 1400 });
  });

  it('N15 a port that waits for more leaves can be given up, and only so many can wait', async () => {
    await set([[config('x1', 'mtu'), number(1400n)]]);
    expect(await set([], ['interfaces/virtual-interface[name=x1]'])).toMatchObject({ code: 'OK' });
    expect(await set([], ['interfaces/virtual-interface[name=x1]'])).toMatchObject({ code: 'NOT_FOUND' });
    await set([[config('x1', 'port-type'), text('TAP')]]);
    expect(ports.find('x1')).toMatchObject({ mtu: 1500 });
    const many = Array.from({ length: 1_024 }, (_, i): Setting => [config(`w${i}`, 'mtu'), number(1400n)]);
    expect(await set(many)).toMatchObject({ code: 'OK' });
    expect((await set([[config('more', 'mtu'), number(1400n)]])).code).toBe('RESOURCE_EXHAUSTED');
    expect(await set(tap('P4TAP_5'))).toMatchObject({ code: 'OK' });
  });

  const faults: readonly [what: string, update: Setting[], code: string][] = [
    ['another port-type', [[config('x1', 'port-type'), text('LINK')]], 'INVALID_ARGUMENT'],
    ['an unknown leaf', [...tap('x1'), [config('x1', 'colour'), text('red')]], 'NOT_FOUND'],
    [
      'an mtu that is none',
      [
        [config('x1', 'port-type'), text('TAP')],
        [config('x1', 'mtu'), number(3n)],
      ],
      'INVALID_ARGUMENT',
    ],
    ['another mtu for a port that is there', [[config('mem0', 'mtu'), number(1400n)]], 'FAILED_PRECONDITION'],
    [
      'JSON that is none',
      [['interfaces/virtual-interface[name=x1]/config', { $case: 'jsonVal', value: Buffer.from('{') }]],
      'INVALID_ARGUMENT',
    ],
    ['no interface', [['interfaces', json({})]], 'INVALID_ARGUMENT'],
    ['a name that is none', tap('a name'), 'INVALID_ARGUMENT'],
    ['a value that is none', [[config('x1', 'port-type'), undefined]], 'INVALID_ARGUMENT'],
  ];
  it.each(faults)('N13 %s: nothing is made', async (_what, update, code) => {
    expect((await set([...tap('P4TAP_5'), ...update])).code).toBe(code);
    expect(ports.list()).toHaveLength(2);
  });
});

it('N20 Subscribe is UNIMPLEMENTED', async () => {
  const call = client.subscribe();
  const code = await new Promise((resolve) => call.on('error', (error: ServiceError) => resolve(error.code)));
  expect(code).toBe(status.UNIMPLEMENTED);
});
