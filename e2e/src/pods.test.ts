import { HOST_ADDRESS, Testbed, type TestPod } from '@infra-offload/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let bed: Testbed;
let one: TestPod;
let two: TestPod;

beforeAll(async () => {
  bed = await Testbed.start({ tapCount: 6 });
  one = await bed.addPod('one');
  two = await bed.addPod('two');
});

afterAll(() => bed?.stop());

describe('an attached pod', () => {
  it('has its address, a default route through the gateway, and the MTU', async () => {
    const link = JSON.parse(await one.namespace.must('ip', ['-json', 'address', 'show', 'dev', 'eth0']));
    expect(link[0]).toMatchObject({
      operstate: expect.stringMatching(/UP|UNKNOWN/),
      mtu: 1500,
      address: one.mac,
    });
    expect(link[0].addr_info).toContainEqual(expect.objectContaining({ local: one.ip, prefixlen: 32 }));
    const routes = JSON.parse(await one.namespace.must('ip', ['-json', 'route', 'show']));
    expect(routes).toContainEqual(
      expect.objectContaining({ dst: 'default', gateway: '169.254.1.1', dev: 'eth0' }),
    );
  });

  it('passes CNI CHECK with the result of its ADD', async () => {
    const { code, stdout } = await bed.check(one);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  });

  it('need have no name: what no Kubernetes has made reaches pods all the same', async () => {
    const unnamed = await bed.addPod('unnamed', { podName: '', podNamespace: '' });
    const output = await unnamed.namespace.must('ping', ['-c', '3', '-i', '0.1', '-W', '2', two.ip]);
    expect(output).toContain('3 received');
    await bed.removePod(unnamed);
  });

  it('reaches another pod with ping', async () => {
    const output = await one.namespace.must('ping', ['-c', '3', '-i', '0.1', '-W', '2', two.ip]);
    expect(output).toContain('3 received');
  });

  it('reaches the node, and the node reaches it', async () => {
    expect(await one.namespace.must('ping', ['-c', '2', '-i', '0.1', '-W', '2', HOST_ADDRESS])).toContain(
      '2 received',
    );
    expect(await bed.node.must('ping', ['-c', '2', '-i', '0.1', '-W', '2', one.ip])).toContain('2 received');
  });

  it('has ARP requests for its gateway answered by the data plane', async () => {
    // -D off, -f: ends with the first answer. The kernel of the node does not own 169.254.1.1.
    const output = await one.namespace.must('arping', [
      '-c',
      '1',
      '-f',
      '-w',
      '3',
      '-I',
      'eth0',
      '169.254.1.1',
    ]);
    expect(output).toMatch(/reply from 169\.254\.1\.1 \[([0-9A-F]{2}:){5}[0-9A-F]{2}\]/i);
    const node = await bed.node.must('ip', ['-json', 'address', 'show']);
    expect(node).not.toContain('"169.254.1.1"');
  });

  it('carries full-size packets, fragments included', async () => {
    const full = await one.namespace.must('ping', ['-c', '1', '-W', '2', '-M', 'do', '-s', '1472', two.ip]);
    expect(full).toContain('1 received');
    const fragmented = await one.namespace.must('ping', ['-c', '1', '-W', '2', '-s', '4000', two.ip]);
    expect(fragmented).toContain('1 received');
  });

  it('cannot use another source address', async () => {
    const before = await bed.drops(/spoof|source/i);
    await one.namespace.must('ip', ['address', 'add', '10.244.0.250/32', 'dev', 'eth0']);
    const { code } = await one.namespace.run('ping', [
      '-c',
      '3',
      '-i',
      '0.1',
      '-W',
      '1',
      '-I',
      '10.244.0.250',
      two.ip,
    ]);
    await one.namespace.must('ip', ['address', 'del', '10.244.0.250/32', 'dev', 'eth0']);
    expect(code).not.toBe(0);
    expect(await bed.drops(/spoof|source/i)).toBeGreaterThanOrEqual(before + 3);
  });
});

describe('an address', () => {
  it('goes from a deleted pod to a new one, and traffic with it', async () => {
    const first = await bed.addPod('first', { ip: '10.244.0.77' });
    await first.process.serve('tcp', 8080);
    const target = { protocol: 'tcp', address: '10.244.0.77', port: 8080 } as const;
    expect((await one.process.spread(target, 5)).servers).toEqual({ first: 5 });

    await bed.removePod(first);
    expect((await one.process.spread(target, 1, 500)).servers).toEqual({});

    const second = await bed.addPod('second', { ip: '10.244.0.77' });
    await second.process.serve('tcp', 8080);
    expect((await one.process.spread(target, 5)).servers).toEqual({ second: 5 });
    await bed.removePod(second);
  });

  it('is free again when the pod and its namespace went before CNI DEL', async () => {
    const first = await bed.addPod('gone', { ip: '10.244.0.78' });
    await bed.removePod(first, { namespaceFirst: true });
    const second = await bed.addPod('back', { ip: '10.244.0.78' });
    await second.process.serve('tcp', 8080);
    const target = { protocol: 'tcp', address: '10.244.0.78', port: 8080 } as const;
    expect((await one.process.spread(target, 3)).servers).toEqual({ back: 3 });
    await bed.removePod(second);
  });

  it('in use is refused, and nothing of the failed pod is left', async () => {
    const links = await bed.tapLinks();
    await expect(bed.addPod('thief', { ip: one.ip })).rejects.toThrow(/CNI ADD of pod thief/);
    expect(await bed.tapLinks()).toEqual(links);
    expect((await one.namespace.run('ping', ['-c', '1', '-W', '2', two.ip])).code).toBe(0);
  });
});

describe('the pool of interfaces', () => {
  it('exhausted is an error that says so, and ends when a pod goes', async () => {
    const more: TestPod[] = [];
    for (let index = 0; index < 3; index++) more.push(await bed.addPod(`more-${index}`));
    const { code, stdout } = await bed.add('one-too-many');
    expect(code).not.toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ code: 11, msg: expect.stringMatching(/interface/i) });
    const [last] = more;
    if (!last) throw new Error('no pod was added');
    await bed.removePod(last);
    const again = await bed.addPod('fits');
    expect((await again.namespace.run('ping', ['-c', '1', '-W', '2', two.ip])).code).toBe(0);
  });
});
