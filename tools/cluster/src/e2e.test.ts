import { expect, it } from 'vitest';
import { readReport } from './e2e.js';

const spec = (text: string, state: string, failure?: string) => ({
  ContainerHierarchyTexts: ['[sig-network] Services'],
  LeafNodeType: 'It',
  LeafNodeText: text,
  State: state,
  ...(failure !== undefined && { Failure: { Message: failure } }),
});

it('reads what became of the tests that ran', () => {
  const suite = {
    ContainerHierarchyTexts: null,
    LeafNodeType: 'BeforeSuite',
    LeafNodeText: '',
    State: 'passed',
  };
  const report = [
    {
      SpecReports: [
        suite,
        spec('serves', 'passed'),
        spec('changes', 'failed', 'Timed out after 300 s.\nExpected …'),
        spec('is of others', 'skipped'),
        spec('needs more nodes', 'skipped', 'Requires at least 3 nodes (not 2)'),
        spec('hangs', 'timedout'),
      ],
    },
  ];
  expect(readReport(report)).toEqual([
    { name: '[sig-network] Services serves', outcome: 'passed' },
    { name: '[sig-network] Services changes', outcome: 'failed', reason: 'Timed out after 300 s.' },
    {
      name: '[sig-network] Services needs more nodes',
      outcome: 'skipped',
      reason: 'Requires at least 3 nodes (not 2)',
    },
    { name: '[sig-network] Services hangs', outcome: 'failed' },
  ]);
});
