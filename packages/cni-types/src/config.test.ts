import { describe, expect, it } from 'vitest';
import { derivePluginConfig, parseNetworkConfig, parsePluginConfig, parseResult } from './index.js';

const plugin = { cniVersion: '1.1.0', name: 'pods', type: 'infra-cni' };

describe('parsePluginConfig', () => {
  it('keeps keys that it does not know', () => {
    const config = parsePluginConfig(
      JSON.stringify({ ...plugin, mtu: 1400, ipam: { type: 'host-local', ranges: [] } }),
    );
    expect(config).toMatchObject({
      mtu: 1400,
      ipam: { type: 'host-local', ranges: [] },
      prevResult: undefined,
    });
  });

  it('reads the attachments that GC must leave', () => {
    const config = parsePluginConfig(
      JSON.stringify({ ...plugin, 'cni.dev/valid-attachments': [{ containerID: 'a', ifname: 'eth0' }] }),
    );
    expect(config.validAttachments).toEqual([{ containerId: 'a', ifname: 'eth0' }]);
    expect(parsePluginConfig(JSON.stringify(plugin)).validAttachments).toBeUndefined();
  });

  it('leaves prevResult unread, so that DEL survives a broken one', () => {
    expect(parsePluginConfig(JSON.stringify({ ...plugin, prevResult: { ips: 7 } })).prevResult).toEqual({
      ips: 7,
    });
  });

  it.each([
    ['', 6, /is not JSON/],
    ['{', 6, /is not JSON/],
    ['[]', 7, /not a JSON object/],
    ['null', 7, /not a JSON object/],
    ['{"name":"a","type":"b"}', 1, /"0.1.0" is not supported/],
    ['{"cniVersion":"2.0.0","name":"a","type":"b"}', 1, /"2.0.0" is not supported/],
    ['{"cniVersion":11,"name":"a","type":"b"}', 1, /11 is not supported/],
    ['{"cniVersion":"1.0.0","type":"b"}', 7, /configuration: name: /],
    ['{"cniVersion":"1.0.0","name":"-a","type":"b"}', 7, /name: is not a letter or digit/],
    ['{"cniVersion":"1.0.0","name":"a"}', 7, /type: /],
    ['{"cniVersion":"1.0.0","name":"a","type":"../b"}', 7, /type: is not the file name/],
    ['{"cniVersion":"1.0.0","name":"a","type":"b","ipam":[]}', 7, /ipam: /],
    ['{"cniVersion":"1.0.0","name":"a","type":"b","ipam":{"type":".."}}', 7, /ipam\.type: /],
    [
      '{"cniVersion":"1.0.0","name":"a","type":"b","dns":{"search":["x",3]}}',
      7,
      /dns\.search\[1\]: .*expected string/,
    ],
    [
      '{"cniVersion":"1.1.0","name":"a","type":"b","cni.dev/valid-attachments":[{"ifname":"x"}]}',
      7,
      /containerID/,
    ],
  ])('refuses %s with code %i', (text, code, message) => {
    expect(() => parsePluginConfig(text)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });

  it('names every wrong field in the details', () => {
    expect(() => parsePluginConfig('{"cniVersion":"1.0.0"}')).toThrow(
      expect.objectContaining({ details: expect.stringMatching(/name: .*; type: /) }),
    );
  });
});

describe('parseNetworkConfig', () => {
  it('reads a single configuration as a list of one', () => {
    const list = parseNetworkConfig(JSON.stringify({ ...plugin, mtu: 1400 }));
    expect(list).toMatchObject({ name: 'pods', plugins: [{ type: 'infra-cni', mtu: 1400 }] });
    expect(derivePluginConfig(list, 0)).toEqual({ ...plugin, mtu: 1400 });
  });

  it.each([
    [['1.0.0', '1.1.0', '9.9.9'], '1.1.0'],
    [['0.4.0', '1.0.0'], '1.0.0'],
    [['9.9.9'], '0.3.1'],
  ])('chooses among cniVersions %j: %s', (cniVersions, version) => {
    const list = { cniVersion: '0.3.1', cniVersions, name: 'pods', plugins: [{ type: 'x' }] };
    expect(parseNetworkConfig(JSON.stringify(list)).cniVersion).toBe(version);
  });

  it.each([
    ['{"cniVersion":"1.0.0","name":"a","plugins":[]}', /plugins: must not be empty/],
    ['{"cniVersion":"1.0.0","name":"a","plugins":{}}', /plugins: /],
    ['{"cniVersion":"1.0.0","name":"a","plugins":[{"type":"x"},{}]}', /plugins\[1\]\.type: /],
    ['{"cniVersion":"1.0.0","plugins":[{"type":"x"}]}', /name: /],
  ])('refuses %s', (text, message) => {
    expect(() => parseNetworkConfig(text)).toThrow(
      expect.objectContaining({ code: 7, message: expect.stringMatching(message) }),
    );
  });
});

describe('derivePluginConfig', () => {
  const list = parseNetworkConfig(
    JSON.stringify({
      cniVersion: '0.4.0',
      name: 'pods',
      plugins: [{ type: 'infra-cni', capabilities: { ips: true, portMappings: false } }, { type: 'portmap' }],
    }),
  );

  it('hands on what the capabilities ask for', () => {
    const runtimeConfig = { ips: ['10.1.0.9/24'], portMappings: [] };
    expect(derivePluginConfig(list, 0, { runtimeConfig })).toEqual({
      cniVersion: '0.4.0',
      name: 'pods',
      type: 'infra-cni',
      runtimeConfig: { ips: ['10.1.0.9/24'] },
    });
    expect(derivePluginConfig(list, 1, { runtimeConfig })).not.toHaveProperty('runtimeConfig');
  });

  it('hands prevResult on in the version of the list', () => {
    const prevResult = parseResult({ cniVersion: '1.1.0', ips: [{ address: '10.1.0.9/32' }] });
    expect(derivePluginConfig(list, 1, { prevResult })).toMatchObject({
      prevResult: { cniVersion: '0.4.0', ips: [{ version: '4', address: '10.1.0.9/32' }] },
    });
  });

  it('names attachments as the specification does', () => {
    expect(
      derivePluginConfig(list, 0, { validAttachments: [{ containerId: 'a', ifname: 'b' }] }),
    ).toMatchObject({
      'cni.dev/valid-attachments': [{ containerID: 'a', ifname: 'b' }],
    });
  });

  it('refuses a number beyond the list', () => {
    expect(() => derivePluginConfig(list, 2)).toThrow(/has no plugin number 2/);
  });
});
