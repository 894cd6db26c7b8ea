import { describe, expect, it } from 'vitest';
import { CniErrorCode, parseCniArgs, parseEnvironment } from './index.js';

const add = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'c0ffee_1.2-3',
  CNI_NETNS: '/var/run/netns/blue',
  CNI_IFNAME: 'eth0',
  CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0;X=a=b',
  CNI_PATH: '/opt/cni/bin:/usr/lib/cni',
};

describe('parseEnvironment', () => {
  it('reads ADD', () => {
    const invocation = parseEnvironment(add);
    expect(invocation).toMatchObject({
      command: 'ADD',
      containerId: 'c0ffee_1.2-3',
      netns: '/var/run/netns/blue',
      ifname: 'eth0',
      args: { podName: 'cart-0', podNamespace: 'shop', podUid: undefined },
      path: ['/opt/cni/bin', '/usr/lib/cni'],
    });
  });

  it('reads DEL without namespace, and VERSION without anything', () => {
    expect(parseEnvironment({ ...add, CNI_COMMAND: 'DEL', CNI_NETNS: '' })).toMatchObject({
      netns: undefined,
    });
    expect(parseEnvironment({ CNI_COMMAND: 'VERSION' })).toEqual({ command: 'VERSION' });
    expect(parseEnvironment({ CNI_COMMAND: 'GC', CNI_PATH: '/a' })).toEqual({ command: 'GC', path: ['/a'] });
  });

  it.each([
    ['CNI_COMMAND', undefined, /CNI_COMMAND is not set/],
    ['CNI_COMMAND', 'add', /'add' is unknown; known are ADD, DEL/],
    ['CNI_CONTAINERID', undefined, /CNI_CONTAINERID is not set; ADD needs it/],
    ['CNI_CONTAINERID', '-x', /CNI_CONTAINERID '-x'/],
    ['CNI_CONTAINERID', 'a/../b', /CNI_CONTAINERID/],
    ['CNI_CONTAINERID', 'ä', /CNI_CONTAINERID/],
    ['CNI_NETNS', '', /CNI_NETNS is not set/],
    ['CNI_NETNS', 'blue', /not an absolute path/],
    ['CNI_IFNAME', '', /CNI_IFNAME is not set/],
    ['CNI_IFNAME', '..', /not the name of an interface/],
    ['CNI_IFNAME', 'sixteen-letters-', /longer than 15/],
    ['CNI_IFNAME', 'eth 0', /white space/],
    ['CNI_IFNAME', 'eth/0', /CNI_IFNAME/],
    ['CNI_IFNAME', 'eth:0', /CNI_IFNAME/],
    ['CNI_IFNAME', 'eth%d', /CNI_IFNAME/],
    ['CNI_IFNAME', 'eth#', /CNI_IFNAME/],
    ['CNI_IFNAME', '-all', /begins with -/],
    ['CNI_ARGS', 'novalue', /'novalue' is not of the form/],
    ['CNI_ARGS', '=x', /'=x'/],
    ['CNI_ARGS', 'IP=1;IP=2', /IP is given twice/],
    ['CNI_ARGS', 'COLOUR=red', /unknown key COLOUR/],
  ])('refuses %s = %s', (name, value, message) => {
    expect(() => parseEnvironment({ ...add, [name]: value })).toThrow(
      expect.objectContaining({
        code: CniErrorCode.invalidEnvironment,
        message: expect.stringMatching(message),
      }),
    );
  });
});

describe('parseCniArgs', () => {
  it.each([
    ['', 0],
    [';;', 0],
    ['K8S_POD_NAME=', 1],
    ['IgnoreUnknown=true;A=;B=2', 3],
  ])('reads %j', (text, pairs) => {
    expect(parseCniArgs(text).all.size).toBe(pairs);
  });
});
