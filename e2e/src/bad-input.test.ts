import { readFileSync } from 'node:fs';
import {
  applyService,
  eventually,
  type ServiceOptions,
  scaleService,
  service,
  Testbed,
  type TestPod,
  toYaml,
} from '@infra-offload/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HTTP, WEB } from './web.js';

let bed: Testbed;
let client: TestPod;
let web: TestPod;

beforeAll(async () => {
  bed = await Testbed.start({ tapCount: 4 });
  client = await bed.addPod('client');
  web = await bed.addPod('web-1');
  await web.process.serve('tcp', 8080);
  await scaleService(bed, WEB, [web]);
});

afterAll(() => bed?.stop());

async function everythingElseGoesOn(): Promise<void> {
  expect((await client.process.spread(HTTP, 10)).servers).toEqual({ 'web-1': 10 });
}

/** Waits for a line of the agent's log. */
async function agentLogs(pattern: RegExp): Promise<string> {
  return eventually(`the agent logs ${pattern}`, () =>
    readFileSync(bed.agent.logFile, 'utf8')
      .split('\n')
      .find((line) => pattern.test(line)),
  );
}

describe('a broken manifest', () => {
  it('is reported with its place, and the last good state stays', async () => {
    bed.applyText('web.yaml', `${toYaml([service(WEB)])}---\nkind: [unclosed\n`);
    const line = await agentLogs(/web\.yaml/);
    expect(line).toMatch(/line"?:? ?\d+|web\.yaml:\d+/);
    await everythingElseGoesOn();
    applyService(bed, WEB, [web]);
  });

  it('of another service leaves this one alone', async () => {
    bed.applyText(
      'other.yaml',
      toYaml([{ ...service({ ...WEB, name: 'other', clusterIp: '10.96.0.300' }) }]),
    );
    await agentLogs(/other\.yaml/);
    await everythingElseGoesOn();
    bed.removeManifest('other.yaml');
  });
});

describe('a service that cannot be programmed whole', () => {
  it('is DEGRADED with its reason, and the others work', async () => {
    const big: ServiceOptions = { name: 'big', clusterIp: '10.96.0.40', ports: [{ name: 'http', port: 80 }] };
    const many = Array.from({ length: 300 }, (_, index) => ({ ip: `10.250.${index >> 8}.${index & 255}` }));
    applyService(bed, big, many);
    const status = await eventually('the service is degraded', async () => {
      const state = await bed.client.serviceState('default/big:http/TCP');
      return state?.reason === 'TooManyEndpoints' ? state : undefined;
    });
    expect(status.message).toMatch(/255/);
    expect(status.message).toMatch(/300/);
    await everythingElseGoesOn();
    bed.removeManifest('big.yaml');
  });
});

describe('the CNI plugin', () => {
  const call = {
    command: 'ADD',
    containerId: 'bad',
    netns: '/run/netns/none',
    interfaceName: 'eth0',
  } as const;

  it.each([
    ['no JSON', '{"cniVersion":', 6],
    ['an unknown version', JSON.stringify({ cniVersion: '9.9.9', name: 'x', type: 'infra-cni' }), 1],
    ['a wrong type', JSON.stringify({ cniVersion: '1.1.0', name: 5, type: 'infra-cni' }), 7],
  ])('answers %s with a CNI error', async (_name, configuration, code) => {
    const result = await bed.cniRaw(call, configuration);
    expect(result.code).not.toBe(0);
    expect(JSON.parse(result.stdout)).toMatchObject({ code, msg: expect.any(String) });
  });

  it('answers a bad environment with code 4', async () => {
    const result = await bed.cni({ ...call, containerId: '../etc' });
    expect(JSON.parse(result.stdout)).toMatchObject({
      code: 4,
      msg: expect.stringContaining('CNI_CONTAINERID'),
    });
  });

  it('answers a namespace that is not there, and leaves nothing behind', async () => {
    const links = await bed.tapLinks();
    const leases = bed.leases();
    const result = await bed.cni(call);
    expect(result.code).not.toBe(0);
    expect(JSON.parse(result.stdout).msg).toContain('/run/netns/none');
    expect(await bed.tapLinks()).toEqual(links);
    expect(bed.leases()).toEqual(leases);
  });

  it('tells its versions without an agent', async () => {
    const result = await bed.cniRaw({ command: 'VERSION' }, JSON.stringify({ cniVersion: '1.1.0' }));
    expect(JSON.parse(result.stdout).supportedVersions).toEqual(
      expect.arrayContaining(['0.3.1', '0.4.0', '1.0.0', '1.1.0']),
    );
  });
});

describe('the manager', () => {
  it('refuses a malformed gRPC message with INVALID_ARGUMENT or INTERNAL, and goes on', async () => {
    await expect(
      bed.client.addPod({
        attachmentId: 'x/eth0',
        interfaceName: 'P4TAP_1',
        mac: 'zz',
        addresses: ['1.2.3'],
      }),
    ).rejects.toMatchObject({
      code: 3,
    });
    await expect(bed.client.raw(Buffer.from([0xff, 0xff, 0xff]))).rejects.toMatchObject({
      code: expect.any(Number),
    });
    await everythingElseGoesOn();
  });
});
