import { execFile } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runPlugin } from './plugin.js';

let directory: string;
let agent: Server;
/** What the agent was asked: operation and body. */
let calls: { operation: string; body: Record<string, unknown> }[];
/** What it answers. */
let answers: Record<string, { status: number; json: unknown }>;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'infra-cni-'));
  calls = [];
  answers = { attach: { status: 200, json: { mac: '02:00:00:00:00:01', mtu: 1500 } } };
  agent = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const operation = request.url?.slice('/v1/'.length) ?? '';
    calls.push({ operation, body: JSON.parse(Buffer.concat(chunks).toString()) });
    const { status, json } = answers[operation] ?? { status: 200, json: {} };
    response.writeHead(status);
    response.end(typeof json === 'string' ? json : JSON.stringify(json));
  });
  await new Promise<void>((resolve) => agent.listen(join(directory, 'cni.sock'), resolve));
});

afterEach(async () => {
  agent.closeAllConnections();
  await new Promise((resolve) => agent.close(resolve));
  rmSync(directory, { recursive: true, force: true });
});

/** Makes an IPAM plugin that keeps a log of its runs, and answers ADD with `result`. */
function makeIpam(result: string, exitCode = 0): void {
  const script = `#!/bin/sh
echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME" >> ${directory}/ipam.log
cat > ${directory}/ipam.stdin
[ "$CNI_COMMAND" != DEL ] || exit 0
cat <<'END'
${result}
END
exit ${exitCode}
`;
  writeFileSync(join(directory, 'ipam'), script, { mode: 0o755 });
}

const ipamRuns = () =>
  existsSync(join(directory, 'ipam.log'))
    ? readFileSync(join(directory, 'ipam.log'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.split(' ')[0])
    : [];

const oneAddress = '{"cniVersion":"1.0.0","ips":[{"address":"10.1.0.5/24","gateway":"10.1.0.1"}]}';

async function run(
  command: string,
  config: Record<string, unknown> | string = {},
  env: Record<string, string> = {},
) {
  const stdin =
    typeof config === 'string'
      ? config
      : JSON.stringify({
          cniVersion: '1.0.0',
          name: 'pods',
          type: 'infra-cni',
          socket: join(directory, 'cni.sock'),
          ipam: { type: 'ipam' },
          ...config,
        });
  const environment = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: 'c1',
    CNI_NETNS: '/var/run/netns/a',
    CNI_IFNAME: 'eth0',
    CNI_PATH: directory,
    PATH: process.env.PATH ?? '',
    ...env,
  };
  const { output, exitCode } = await runPlugin(environment, stdin);
  return { exitCode, json: output === '' ? undefined : JSON.parse(output), stdin };
}

describe('ADD', () => {
  it('runs the IPAM plugin with its own environment and input', async () => {
    makeIpam(oneAddress);
    const { json, stdin } = await run(
      'ADD',
      { cniVersion: '0.3.1', mtu: 1400 },
      { CNI_ARGS: 'K8S_POD_NAME=a;IP=10.1.0.5' },
    );
    expect(json).toMatchObject({ cniVersion: '0.3.1', ips: [{ version: '4', address: '10.1.0.5/32' }] });
    expect(readFileSync(join(directory, 'ipam.log'), 'utf8')).toBe('ADD c1 eth0\n');
    expect(readFileSync(join(directory, 'ipam.stdin'), 'utf8')).toBe(stdin);
    expect(calls.map(({ operation }) => operation)).toEqual(['prepare', 'attach']);
    expect(calls[1]?.body).toMatchObject({
      address: '10.1.0.5',
      mtu: 1400,
      network: 'pods',
      pod: { namespace: '', name: 'a' },
      routes: [{ dst: '0.0.0.0/0' }],
    });
  });

  it('takes no address if the agent cannot attach', async () => {
    makeIpam(oneAddress);
    answers.prepare = { status: 503, json: { cniVersion: '1.1.0', code: 11, msg: 'not yet', details: 'x' } };
    expect((await run('ADD')).json).toEqual({ cniVersion: '1.0.0', code: 11, msg: 'not yet', details: 'x' });
    expect(ipamRuns()).toEqual([]);
  });

  it.each([
    [{ status: 409, json: { code: 100, msg: 'taken' } }, 100],
    [{ status: 500, json: {} }, 999],
    [{ status: 200, json: 'no json' }, 6],
  ])('gives the address back when the agent answers %j', async (answer, code) => {
    makeIpam(oneAddress);
    answers.attach = answer;
    expect(await run('ADD')).toMatchObject({ exitCode: 1, json: { code } });
    expect(ipamRuns()).toEqual(['ADD', 'DEL']);
  });

  it.each<[string, string, number, number, RegExp]>([
    [
      'fails with a CNI error',
      '{"code":11,"msg":"full","details":"d"}',
      1,
      11,
      /IPAM plugin ipam failed at ADD: full/,
    ],
    ['fails with something else', 'segmentation fault', 139, 999, /failed at ADD with exit code 139/],
    ['answers no JSON', 'fine', 0, 6, /answer of IPAM plugin ipam is not JSON: .*fine/s],
    ['answers another shape', '{"cniVersion":"1.0.0","ips":"x"}', 0, 6, /answer of IPAM plugin ipam: ips: /],
    ['gives no address', '{"cniVersion":"1.0.0"}', 0, 104, /exactly one IPv4 address; ipam gives none/],
    [
      'gives two',
      '{"cniVersion":"1.0.0","ips":[{"address":"10.1.0.5/24"},{"address":"fd00::5/64"}]}',
      0,
      104,
      /gives 10.1.0.5\/24, fd00::5\/64/,
    ],
    ['gives IPv6', '{"cniVersion":"1.0.0","ips":[{"address":"fd00::5/64"}]}', 0, 104, /gives fd00::5\/64/],
    [
      'gives an IPv6 route',
      '{"cniVersion":"1.0.0","ips":[{"address":"10.1.0.5/24"}],"routes":[{"dst":"::/0"}]}',
      0,
      104,
      /route to ::\/0/,
    ],
  ])('undoes what an IPAM plugin did that %s', async (_what, result, exitCode, code, message) => {
    makeIpam(result, exitCode);
    expect((await run('ADD')).json).toMatchObject({ code, msg: expect.stringMatching(message) });
    expect(ipamRuns()).toEqual(['ADD', 'DEL']);
    expect(calls.map(({ operation }) => operation)).toEqual(['prepare']);
  });

  it.each<[string, Record<string, unknown> | string, Record<string, string>, number, RegExp]>([
    ['no JSON', '{"cniVersion"', {}, 6, /is not JSON/],
    ['nothing', '', {}, 6, /is not JSON/],
    ['an old version', { cniVersion: '0.2.0' }, {}, 1, /"0.2.0" is not supported/],
    ['no IPAM', { ipam: undefined }, {}, 7, /set ipam.type/],
    ['an IPAM without type', { ipam: { subnet: '10.0.0.0/8' } }, {}, 7, /set ipam.type/],
    [
      'an IPAM plugin that is not there',
      { ipam: { type: 'dhcp' } },
      {},
      4,
      /no IPAM plugin dhcp in CNI_PATH/,
    ],
    ['no CNI_PATH', {}, { CNI_PATH: '' }, 4, /CNI_PATH \(empty\)/],
    ['no interface name', {}, { CNI_IFNAME: '' }, 4, /CNI_IFNAME is not set/],
    [
      'a container id that is too long',
      {},
      { CNI_CONTAINERID: 'c'.repeat(249) },
      4,
      /^CNI_CONTAINERID has 249 characters; with interface name eth0 it may have 248$/,
    ],
    ['a wrong MTU', { mtu: '1500' }, {}, 7, /mtu: "1500" is not a whole number/],
    ['a wrong socket', { socket: 'cni.sock' }, {}, 7, /socket: "cni.sock" is not an absolute path/],
    ['a wrong prevResult', { prevResult: { ips: [] } }, {}, 7, /prevResult: cniVersion/],
    [
      'wrong static addresses',
      { ipam: undefined, args: { cni: { ips: ['x'] } } },
      {},
      7,
      /not a list of addresses: \["x"\]/,
    ],
    [
      'no agent',
      { socket: '/nowhere/cni.sock' },
      {},
      11,
      /infra-agent does not answer on \/nowhere\/cni.sock/,
    ],
  ])('refuses %s', async (_what, config, env, code, message) => {
    const { exitCode, json } = await run('ADD', config, env);
    expect(exitCode).toBe(1);
    expect(json).toMatchObject({ code, msg: expect.stringMatching(message) });
  });

  it.each<[string, string, Record<string, unknown> | string, Record<string, string>]>([
    ['the environment', '0.4.0', { cniVersion: '0.4.0' }, { CNI_IFNAME: '' }],
    ['the command', '1.0.0', {}, { CNI_COMMAND: 'PAINT' }],
    ['a key of the configuration', '1.0.0', { name: 7 }, {}],
    ['the version', '1.1.0', { cniVersion: '0.2.0' }, {}],
    ['the type of the configuration', '1.1.0', 'null', {}],
  ])('when %s is wrong, answers in version %s', async (_what, cniVersion, config, env) => {
    expect(await run('ADD', config, env)).toMatchObject({ exitCode: 1, json: { cniVersion } });
  });
});

describe('DEL', () => {
  it('succeeds for a container id that is too long for ADD', async () => {
    makeIpam('');
    expect((await run('DEL', {}, { CNI_CONTAINERID: 'c'.repeat(500) })).exitCode).toBe(0);
    expect(ipamRuns()).toEqual(['DEL']);
  });

  it('gives the address back even if the agent fails, and says so', async () => {
    makeIpam(oneAddress);
    answers.detach = { status: 500, json: { code: 999, msg: 'stuck' } };
    expect(await run('DEL')).toMatchObject({ exitCode: 1, json: { code: 999, msg: 'stuck' } });
    expect(ipamRuns()).toEqual(['DEL']);
  });

  it('does not care for what only ADD needs', async () => {
    const config = { ipam: undefined, mtu: 'x', prevResult: 7, runtimeConfig: { ips: 7 } };
    expect(await run('DEL', config, { CNI_NETNS: '' })).toMatchObject({ exitCode: 0, json: undefined });
    expect(calls.map(({ operation }) => operation)).toEqual(['detach']);
  });
});

describe('GC, STATUS and VERSION', () => {
  it('passes GC and STATUS on to IPAM from version 1.1.0 on', async () => {
    makeIpam('');
    answers.garbage = { status: 200, json: { garbage: [] } };
    const gc = { 'cni.dev/valid-attachments': [{ containerID: 'a', ifname: 'eth0' }] };
    expect((await run('GC', { ...gc, cniVersion: '1.1.0' })).exitCode).toBe(0);
    expect((await run('STATUS', { cniVersion: '1.1.0' })).exitCode).toBe(0);
    expect((await run('STATUS', { cniVersion: '1.0.0' })).exitCode).toBe(0);
    expect(ipamRuns()).toEqual(['GC', 'VERSION', 'STATUS', 'VERSION']);
    expect(calls[0]).toEqual({
      operation: 'garbage',
      body: { network: 'pods', valid: [{ containerId: 'a', ifname: 'eth0' }] },
    });
  });

  it('gives the address of each that it collects back by DEL, in a version that the IPAM plugin knows', async () => {
    makeIpam(JSON.stringify({ cniVersion: '1.0.0', supportedVersions: ['0.4.0', '1.0.0'] }));
    answers.garbage = { status: 200, json: { garbage: [{ containerId: 'gone', ifname: 'net1' }] } };
    const gc = { cniVersion: '1.1.0', 'cni.dev/valid-attachments': [] };
    expect(await run('GC', gc)).toMatchObject({ exitCode: 0, json: undefined });
    const log = readFileSync(join(directory, 'ipam.log'), 'utf8').trim().split('\n');
    expect(log).toEqual(['VERSION c1 eth0', 'DEL gone net1', 'GC c1 eth0']);
    expect(calls.map(({ operation }) => operation)).toEqual(['garbage', 'detach']);
    expect(calls[1]?.body).toEqual({ containerId: 'gone', ifname: 'net1' });
  });

  it('leaves the agent what IPAM cannot take back, so that the next GC names it again', async () => {
    const script = `#!/bin/sh\n[ "$CNI_COMMAND" != DEL ] || { echo '{"code":11,"msg":"locked"}'; exit 1; }\n`;
    writeFileSync(join(directory, 'ipam'), script, { mode: 0o755 });
    const garbage = ['a', 'b'].map((containerId) => ({ containerId, ifname: 'eth0' }));
    answers.garbage = { status: 200, json: { garbage } };
    const gc = { cniVersion: '1.1.0', 'cni.dev/valid-attachments': [] };
    expect((await run('GC', gc)).json).toMatchObject({
      code: 999,
      msg: 'a/eth0: IPAM plugin ipam failed at DEL: locked; b/eth0: IPAM plugin ipam failed at DEL: locked',
    });
    expect(calls.map(({ operation }) => operation)).toEqual(['garbage']);
  });

  it.each([
    ['does not know them', { code: 4, msg: 'unknown CNI_COMMAND: STATUS' }, 0],
    ['is older than the version', { code: 1, msg: 'incompatible CNI versions' }, 0],
    ['lacks another variable', { code: 4, msg: 'CNI_PATH is missing' }, 1],
    ['has no more addresses', { code: 50, msg: 'none left' }, 1],
  ])('an IPAM plugin that %s', async (_what, answer, exitCode) => {
    makeIpam(JSON.stringify(answer), 1);
    answers.garbage = { status: 200, json: { garbage: [] } };
    const config = { cniVersion: '1.1.0', 'cni.dev/valid-attachments': [] };
    for (const command of ['STATUS', 'GC']) {
      expect(await run(command, config)).toMatchObject({
        exitCode,
        ...(exitCode === 0 ? {} : { json: { code: answer.code } }),
      });
    }
    expect(ipamRuns()).toEqual(['VERSION', 'STATUS', 'GC']);
  });

  it('says with code 50 that the IPAM plugin does not know the version of the configuration', async () => {
    makeIpam(JSON.stringify({ cniVersion: '1.0.0', supportedVersions: ['0.4.0', '1.0.0'] }));
    expect((await run('STATUS', { cniVersion: '1.1.0' })).json).toMatchObject({
      code: 50,
      msg: expect.stringMatching(/does not know CNI version 1\.1\.0.*it knows 0\.4\.0, 1\.0\.0$/),
    });
    expect((await run('STATUS', { cniVersion: '1.0.0' })).exitCode).toBe(0);
  });

  it('are not served without the IPAM plugin', async () => {
    const missing = { cniVersion: '1.1.0', ipam: { type: 'dhcp' } };
    expect((await run('STATUS', missing)).json).toMatchObject({ code: 4 });
  });

  it('says with code 50 that there is no agent', async () => {
    expect((await run('STATUS', { socket: '/nowhere/cni.sock' })).json).toMatchObject({ code: 50 });
  });

  it.each([
    ['{"cniVersion":"0.4.0"}', '0.4.0'],
    ['{"cniVersion":"9.0.0"}', '1.1.0'],
    ['', '1.1.0'],
  ])('answers VERSION to %j', async (stdin, cniVersion) => {
    expect((await run('VERSION', stdin)).json).toEqual({
      cniVersion,
      supportedVersions: ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'],
    });
  });
});

describe('the built executable', () => {
  const execute = promisify(execFile);
  const root = fileURLToPath(new URL('../..', import.meta.url));
  let output: string;

  beforeAll(async () => {
    output = mkdtempSync(join(tmpdir(), 'infra-cni-build-'));
    await execute(join(root, '../../node_modules/.bin/tsup'), ['--out-dir', output], { cwd: root });
  });

  afterAll(() => {
    rmSync(output, { recursive: true, force: true });
  });

  function start(file: string, command: string, stdin: string, cwd = '/') {
    const env = { PATH: process.env.PATH, CNI_COMMAND: command };
    const running = execute(file, [], { env, cwd });
    running.child.stdin?.end(stdin);
    return running;
  }

  it.each(['{}', '{"type":"module"}'])(
    'is one file that runs from anywhere, in a package %s',
    async (manifest) => {
      const target = mkdtempSync(join(output, 'bin-'));
      writeFileSync(join(target, 'package.json'), manifest);
      for (const name of ['infra-cni', 'infra-cni.js']) {
        const file = join(target, name);
        copyFileSync(join(output, 'infra-cni.js'), file);
        chmodSync(file, 0o755);
        const { stdout, stderr } = await start(file, 'VERSION', '{"cniVersion":"1.0.0"}', '/');
        expect(JSON.parse(stdout)).toMatchObject({ cniVersion: '1.0.0' });
        expect(stderr).toBe('');
      }
      expect(readFileSync(join(output, 'infra-cni.js')).length).toBeLessThan(64 * 1024);
    },
  );

  it.each<[string, string | Buffer, number, RegExp]>([
    ['nothing', '', 6, /is not JSON/],
    ['a configuration that is nested without end', `{"a":${'['.repeat(200_000)}`, 6, /nested more than 100/],
    ['a version that is nested', `{"cniVersion":${'['.repeat(99)}${']'.repeat(99)}}`, 1, /CNI version/],
    ['more than a megabyte', ' '.repeat(1024 * 1024 + 1), 7, /longer than 1048576 bytes/],
    ['what is not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 6, /is not UTF-8/],
    ['a list', '[]', 7, /not a JSON object/],
  ])('answers %s with a CNI error, and nothing else', async (_what, stdin, code, message) => {
    const env = {
      PATH: process.env.PATH,
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: 'c1',
      CNI_IFNAME: 'eth0',
      CNI_NETNS: '/x',
    };
    const running = execute(join(output, 'infra-cni.js'), [], { env });
    // It need not read to the end.
    running.child.stdin?.on('error', () => {});
    running.child.stdin?.end(stdin);
    await expect(running).rejects.toMatchObject({ code: 1, stderr: '' });
    const { stdout } = await running.catch((error: { stdout: string }) => error);
    expect(JSON.parse(stdout)).toMatchObject({ code, msg: expect.stringMatching(message) });
  });

  it('fails with a CNI error on standard output and exit code 1', async () => {
    await expect(start(join(output, 'infra-cni.js'), 'PAINT', '{}')).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^\{"cniVersion":"1.1.0","code":4,"msg":"CNI_COMMAND 'PAINT' is unknown/),
      stderr: '',
    });
  });
});
