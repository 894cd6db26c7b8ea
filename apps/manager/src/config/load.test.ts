import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { thrown } from '@infra-offload/base/testing';
import { addSettings, commandLayer, programCommand, ServiceError } from '@infra-offload/service';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { loadConfig } from './load.js';
import { SETTINGS } from './settings.js';

const directory = mkdtempSync(join(tmpdir(), 'manager-config-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

/** What a command line says. */
function given(...args: readonly string[]) {
  const command = addSettings(programCommand('infra-manager', '', '0'), SETTINGS);
  return commandLayer(command.parse(args, { from: 'user' }), SETTINGS);
}

let files = 0;
function yaml(text: string): string {
  const file = join(directory, `${files++}.yaml`);
  writeFileSync(file, text);
  return file;
}

const failure = (run: () => unknown) => thrown(ServiceError, run).message;

describe('loadConfig', () => {
  it('has a default for everything', () => {
    expect(loadConfig(undefined)).toMatchObject({
      listen: '127.0.0.1:50002',
      target: { p4runtimeAddress: 'localhost:9559', gnmiAddress: 'localhost:9339', deviceId: 1 },
      dataPlane: { drainSeconds: 3600 },
      log: { level: 'info', modules: {} },
    });
  });

  it('flags win over the environment, which wins over the file', () => {
    const file = yaml(
      'listen: 10.0.0.1:1\ntarget:\n  deviceId: 7\n  gnmiAddress: a:1\nlog:\n  modules: {server: debug}\n',
    );
    vi.stubEnv('INFRA_MANAGER_LISTEN', '10.0.0.2:2');
    vi.stubEnv('INFRA_MANAGER_DEVICE_ID', '8');
    const config = loadConfig(file, given('--listen', '[::1]:0'));
    expect(config.listen).toBe('[::1]:0');
    expect(config.target).toMatchObject({
      deviceId: 8,
      gnmiAddress: 'a:1',
      p4runtimeAddress: 'localhost:9559',
    });
    expect(config.log.modules.server).toBe('debug');
  });

  it('an empty file is a file of defaults', () => {
    expect(loadConfig(yaml('# nothing\n')).listen).toBe('127.0.0.1:50002');
  });

  it.each([
    ['liste: 1', /unknown key 'liste'; did you mean 'listen'\?$/],
    [
      'target: {p4runtime: x}',
      /unknown key 'target\.p4runtime'; did you mean 'p4runtimeAddress' or 'p4runtimeTls'\?/,
    ],
    ['log: {modules: {sever: info}}', /log\.modules\.sever|log\.modules: .*sever/],
    ['listen: 50002', /listen: .*expected string/],
    ['listen: localhost', /listen: is not of the form host:port with a port from 0 to 65535/],
    ['target: {deviceId: 0}', /target\.deviceId: .*>=1/],
    ['target: nowhere', /target: .*expected object/],
    ['dataPlane: {gatewayMac: "01:00:00:00:00:00"}', /dataPlane\.gatewayMac: expected a unicast MAC/],
    ['dataPlane: {conntrack: {tcpTimeoutEstablished: 59}}', /conntrack\.tcpTimeoutEstablished: .*>=60/],
    ['dataPlane: {conntrack: {udpTimeout: 4}}', /conntrack\.udpTimeout: .*>=5/],
    ['dataPlane: {conntrack: {udpTimeoutStream: 1e9}}', /conntrack\.udpTimeoutStream: .*<=432000/],
    ['dataPlane: {conntrack: {tcpTimeoutFoo: 60}}', /unknown key 'dataPlane\.conntrack\.tcpTimeoutFoo'/],
    ['log: {level: loud}', /log\.level: .*"fatal"/],
    ['metrics: {listen: off}', /:1:10: 'metrics' is called 'monitoring'/],
    ['log: {modules: {metrics: info}}', /'log\.modules\.metrics' is called 'log\.modules\.monitoring'/],
    ['- a\n- b', /:1:1: the configuration is not a mapping of keys to values/],
    ['a: b: c', /\.yaml:1:\d+: bad indentation of a mapping entry/],
    ['tls:\n  mode: x', /^\/.*\.yaml:2:9: tls\.mode: /],
    ['InfraManager:\n  conn: x', /^\/.*\.yaml:2:9: tls\.mode: /],
    ['listen: a:1\nlisten: b:1', /\.yaml:2:1: 'listen' is given twice/],
    ['listen: *x', /\.yaml:1:9: the alias \*x has no anchor before it/],
  ])('%j fails with one line that names the place', (text, message) => {
    const said = failure(() => loadConfig(yaml(text)));
    expect(said).toMatch(message);
    expect(said).not.toContain('\n');
  });

  it('changes one setting of two that share an anchor', () => {
    const file = yaml('target: {p4runtimeTls: &tls {mode: mtls}, gnmiTls: *tls}');
    const { target } = loadConfig(file, given('--gnmi-tls-mode', 'insecure'));
    expect([target.p4runtimeTls.mode, target.gnmiTls.mode]).toEqual(['mtls', 'insecure']);
  });

  it('takes a bare off, which YAML reads as false', () => {
    expect(loadConfig(yaml('monitoring: {listen: off}')).monitoring.listen).toBe('off');
  });

  it('names the flag or the variable at fault', () => {
    expect(failure(() => loadConfig(undefined, given('--device-id', '0')))).toMatch(
      /^--device-id: target\.deviceId/,
    );
    vi.stubEnv('INFRA_MANAGER_LISTEN', ':');
    expect(failure(() => loadConfig(undefined, given()))).toMatch(/^INFRA_MANAGER_LISTEN: listen/);
  });

  it('a missing file fails with its name', () => {
    expect(failure(() => loadConfig('/no/such/file.yaml'))).toMatch(
      /^\/no\/such\/file\.yaml: cannot be read: ENOENT/,
    );
  });
});
