import { Testbed, type TestPod } from '@infra-offload/testbed';
import { afterAll, beforeAll, expect, it } from 'vitest';

let bed: Testbed;
let fixed: TestPod;

beforeAll(async () => {
  bed = await Testbed.start({ tapCount: 4 });
  fixed = await bed.addPod('fixed');
});

afterAll(() => bed?.stop());

it('adds and deletes 50 pods without a leak', async () => {
  const before = { tables: await bed.tableSizes(), links: await bed.tapLinks(), leases: bed.leases() };
  for (let index = 0; index < 50; index++) {
    const pod = await bed.addPod(`pod-${index}`);
    if (index % 10 === 0) {
      expect((await pod.namespace.run('ping', ['-c', '1', '-W', '2', fixed.ip])).code).toBe(0);
    }
    await bed.removePod(pod, { namespaceFirst: index % 2 === 1 });
  }
  await bed.inSync();
  expect({ tables: await bed.tableSizes(), links: await bed.tapLinks(), leases: bed.leases() }).toEqual(
    before,
  );
});
