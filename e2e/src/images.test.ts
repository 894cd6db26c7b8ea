import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addServers, scaleService, Testbed } from '@infra-offload/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HTTP, WEB } from './web.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MEGABYTE = 1_000_000;
/** Who the manager's image runs as. */
const MANAGER_USER = 65_532;

/** Builds the images as users do, from what git has, in a store of this test's own. */
class ImageBuild {
  readonly directory = mkdtempSync(join(tmpdir(), 'infra-offload-images-'));
  readonly #env: NodeJS.ProcessEnv;

  constructor() {
    const storage = join(this.directory, 'storage.conf');
    writeFileSync(
      storage,
      `[storage]\ndriver = "overlay"\ngraphroot = "${this.directory}/graph"\nrunroot = "${this.directory}/run"\n`,
    );
    this.#env = {
      ...process.env,
      CONTAINERS_STORAGE_CONF: storage,
      BUILDAH_ISOLATION: 'chroot',
      REGISTRY: 'localhost/infra-offload',
      TAG: 'test',
    };
  }

  build(): void {
    const [runtime, node] = ['localhost/debian:bookworm-slim', 'localhost/node:20-bookworm-slim'];
    this.#run(join(ROOT, 'images/debian-bases.sh'), [runtime, node]);
    const sources = join(this.directory, 'sources');
    mkdirSync(sources);
    execFileSync('sh', ['-c', `git -C "${ROOT}" archive HEAD | tar -x -C "${sources}"`]);
    this.#run(join(sources, 'scripts/images.sh'), [
      '--quiet',
      ...['--build-arg', `NODE_IMAGE=${node}`, '--build-arg', `RUNTIME_IMAGE=${runtime}`],
    ]);
  }

  inspect(app: string): { size: number; user: string; entrypoint: readonly string[] } {
    const [image] = JSON.parse(
      this.#run('buildah', ['images', '--json', `localhost/infra-offload/${app}:test`]),
    );
    const { OCIv1 } = JSON.parse(
      this.#run('buildah', ['inspect', '--type', 'image', `localhost/infra-offload/${app}:test`]),
    );
    // "183 MB"
    return {
      size: Number.parseFloat(image.size) * MEGABYTE,
      user: OCIv1.config.User,
      entrypoint: OCIv1.config.Entrypoint,
    };
  }

  /** The image's files. */
  mount(app: string): string {
    const container = this.#run('buildah', ['from', `localhost/infra-offload/${app}:test`]).trim();
    return this.#run('buildah', ['mount', container]).trim();
  }

  remove(): void {
    this.#run('buildah', ['umount', '--all']);
    this.#run('buildah', ['rm', '--all']);
    this.#run('buildah', ['rmi', '--all', '--force']);
    rmSync(this.directory, { recursive: true, force: true });
  }

  #run(command: string, args: readonly string[]): string {
    return execFileSync(command, args, {
      env: this.#env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }
}

describe('the images', () => {
  const images = new ImageBuild();
  let agent = '';
  let manager = '';
  let softswitch = '';

  beforeAll(() => {
    images.build();
    agent = images.mount('agent');
    manager = images.mount('manager');
    softswitch = images.mount('softswitch');
  });
  afterAll(() => images.remove());

  it('are small, and run as who they should', () => {
    for (const app of ['agent', 'manager', 'softswitch']) {
      const { size } = images.inspect(app);
      console.log(`image ${app}: ${size / MEGABYTE} MB`);
      expect(size).toBeLessThan(200 * MEGABYTE);
    }
    expect(images.inspect('agent')).toMatchObject({
      user: '0:0',
      entrypoint: ['node', '/opt/infra/agent/dist/cli.js'],
    });
    expect(images.inspect('manager')).toMatchObject({
      user: `${MANAGER_USER}:${MANAGER_USER}`,
      entrypoint: ['node', '/opt/infra/manager/dist/cli.js'],
    });
    expect(images.inspect('softswitch')).toMatchObject({
      user: '0:0',
      entrypoint: ['node', '/opt/infra/softswitch/dist/cli.js'],
    });
  });

  it('hold the programs and nothing of their making', () => {
    expect(readdirSync(join(agent, 'opt/infra/agent')).sort()).toEqual([
      'dist',
      'node_modules',
      'package.json',
    ]);
    expect(readdirSync(join(agent, 'opt/infra/agent/dist')).sort()).toEqual([
      'cli.js',
      'felix-api-proxy.js',
      'infra-cni.js',
    ]);
    expect(readdirSync(join(manager, 'opt/infra/manager/dist'))).toEqual(['cli.js']);
    expect(readdirSync(join(softswitch, 'opt/infra/softswitch/dist')).sort()).toEqual([
      'cli.js',
      'swx-engine.js',
    ]);
  });

  it('do the job: pods reach each other and a service; the manager is nobody in particular', async () => {
    // What the init container does, with a directory for the node's root; the plugin's first line names its Node.js.
    const nodeDirectory = join(images.directory, 'bin');
    execFileSync('chroot', [
      ...[agent, '/usr/local/bin/node', '/opt/infra/agent/dist/cli.js', 'install-cni'],
      ...['--root', '/host', '--node-directory', nodeDirectory],
    ]);
    cpSync(join(agent, 'host', nodeDirectory), nodeDirectory, { recursive: true });
    const testbed = await Testbed.create({
      programs: {
        agent: { root: agent, file: '/opt/infra/agent/dist/cli.js' },
        manager: { root: manager, file: '/opt/infra/manager/dist/cli.js', user: MANAGER_USER },
        softswitch: { root: softswitch, file: '/opt/infra/softswitch/dist/cli.js' },
        cni: join(agent, 'host/opt/cni/bin/infra-cni'),
      },
    });
    try {
      // The manager's are its state and the certificates; the agent's socket has to be in a directory of root.
      const { layout } = testbed;
      chmodSync(layout.directory, 0o711);
      mkdirSync(layout.state('manager'), { recursive: true });
      execFileSync('chown', [
        ...['-R', `${MANAGER_USER}:${MANAGER_USER}`],
        ...[layout.certificates, layout.state('manager')],
      ]);
      await testbed.startAll();
      const client = await testbed.addPod('client');
      const web = await addServers(testbed, WEB, ['web-1', 'web-2']);
      const [first] = web;
      await client.namespace.must('ping', ['-c', '2', '-W', '2', first?.ip ?? '']);
      await scaleService(testbed, WEB, web);
      const answers = await client.process.spread(HTTP, 20);
      expect(answers.failures).toEqual({});
      expect(Object.keys(answers.servers).sort()).toEqual(['web-1', 'web-2']);
    } finally {
      await testbed.stop();
    }
  });
});
