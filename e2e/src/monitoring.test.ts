import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ADDRESSES, addServers, scaleService, Testbed, type TestPod } from '@infra-offload/testbed';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HTTP, WEB_ADMIN_DNS as WEB } from './web.js';

const read = (path: string) => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');

let bed: Testbed;
let client: TestPod;

beforeAll(async () => {
  bed = await Testbed.start({ tapCount: 4, source: 'api' });
  client = await bed.addPod('client');
  await scaleService(bed, WEB, await addServers(bed, WEB, ['web-1']));
});

afterAll(() => bed?.stop());

async function metricsAt(address: string): Promise<string> {
  return bed.node.must('curl', ['-s', '--fail', `http://${address}/metrics`]);
}

/** Names of metrics, as TYPE lines have them. */
async function served(): Promise<Set<string>> {
  const pages = await Promise.all([ADDRESSES.agentHttp, ADDRESSES.managerHttp].map(metricsAt));
  return new Set(
    pages.flatMap((page) => [...page.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name ?? '')),
  );
}

/** Names of metrics in expressions; those of a histogram's series are the histogram's. */
function named(text: string): Set<string> {
  const names = text.match(/\b(infra_agent|infra_manager|kubeproxy|process)_[a-z_]+/g) ?? [];
  return new Set(names.map((name) => name.replace(/_(bucket|count|sum)$/, '')));
}

it.each(['rules.yaml', 'rules.test.yaml', 'dashboard.json'])(
  '%s names metrics that there are',
  async (file) => {
    const there = await served();
    const names = named(read(`deploy/monitoring/${file}`));
    expect(names.size).toBeGreaterThan(10);
    expect([...names].filter((name) => !there.has(name))).toEqual([]);
  },
);

it('docs/monitoring.md has all metrics of the programs', async () => {
  const text = read('docs/monitoring.md');
  const own = [...(await served())].filter((name) => /^(infra_|kubeproxy_)/.test(name));
  expect(own.length).toBeGreaterThan(40);
  const isTold = (name: string) => {
    // With its prefix, or without it beside others.
    const short = name.replace(/^(infra_agent|infra_manager|kubeproxy(_sync_proxy_rules)?)_/, '');
    return [name, short].some((form) => new RegExp(`[\`_…]${form}[\`{_]`).test(text));
  };
  expect(own.filter((name) => !isTold(name))).toEqual([]);
});

it('scrape.yaml has the ports on which the programs listen if nothing else is said', () => {
  const ports = [...read('deploy/monitoring/scrape.yaml').matchAll(/"\$1:(\d+)"/g)].map(([, port]) => port);
  expect(ports).toEqual(['50096', '50012']);
  const settings = read('docs/configuration-agent.md') + read('docs/configuration-manager.md');
  for (const port of ports) expect(settings).toContain(`127.0.0.1:${port}`);
});

it('counts new flows to services', async () => {
  const flows = async () =>
    Number(/^infra_manager_service_flows_total (\d+)/m.exec(await metricsAt(ADDRESSES.managerHttp))?.[1]);
  const before = await flows();
  for (const name of ['one', 'two', 'three']) await client.process.open(name, HTTP);
  expect((await flows()) - before).toBe(3);
});
