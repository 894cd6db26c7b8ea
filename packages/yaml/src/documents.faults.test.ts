import { faultTest, growthOf, mutateText, mutateYaml, Trial, YAML_ATTACKS } from '@infra-offload/faults';
import { expect } from 'vitest';
import { readDocuments } from './documents.js';
import { YamlError } from './error.js';
import { parseJson } from './json.js';
import { jsonFault } from './json-fault.js';
import { MANIFEST_LIMITS } from './limits.js';

const SEEDS = [
  'apiVersion: v1\nkind: Service\nmetadata:\n  name: web # its name\nspec:\n  ports:\n    - {name: http, port: 0120}\n',
  'base: &base\n  a: 1_000\n  b: [x, "y\\t"]\nderived:\n  <<: *base\n  b: |-\n    line\n      more\n---\nc: >\n  folded\n  text\n',
  '{"kind": "List", "items": [{"a": 1.5e3}, {"b": ["\\u00e9", null, true]}]}\n{"second": {}}\n',
  "? complex\n: - 1\n  - - 2\n  - !!str 3\n\"quoted key\": 'single ''quote'''\nempty:\n",
];

function readAll(text: string): void {
  let index = 0;
  for (const document of readDocuments(text, { file: 'f', limits: MANIFEST_LIMITS })) {
    if (index++ === 0) document.locate(['spec', 'ports', 0, 'port']);
    // JSON's values only, and no deeper than what calls itself for each level can take.
    JSON.stringify(document.value);
  }
}

faultTest(
  {
    fault: 'YAML and JSON texts, damaged',
    promise: 'each is read or refused with file, line and column',
    sample: 1_000,
    unit: 'input',
  },
  ({ cases, random }) => {
    const trial = new Trial((error) => YamlError.is(error) && /^f:\d+:\d+: ./.test(error.message));
    for (let left = cases; left > 0; left--) trial.try(mutateYaml(random, random.pick(SEEDS)), readAll);
    return trial.measured;
  },
);

faultTest(
  {
    fault: 'YAML of up to 1 MB made to cost squares: brackets, keys, aliases, merges, comments, …',
    promise: 'time grows with the size, not faster',
    sample: 10_000,
    unit: 'input',
    most: 1_000_000,
  },
  ({ cases: size }) => {
    let slowest = { name: '', ms: 0 };
    for (const [name, make] of Object.entries(YAML_ATTACKS)) {
      // Twice the size: 2 if time follows it, 4 for a square. Something else that runs may disturb one measurement.
      let growth = growthOf(size / 2, make, readAll);
      if (growth.factor > 3) growth = growthOf(size / 2, make, readAll);
      expect(growth.factor, name).toBeLessThan(8);
      if (growth.ms > slowest.ms) slowest = { name, ms: growth.ms };
    }
    return `${Object.keys(YAML_ATTACKS).length} attacks of ${size.toLocaleString('en-US')} characters, slowest ${slowest.ms.toFixed(0)} ms (${slowest.name})`;
  },
);

faultTest(
  {
    fault: 'JSON texts, damaged',
    promise: 'each is read as JSON.parse reads it, or refused where it stops being JSON',
    sample: 5_000,
    unit: 'input',
  },
  ({ cases, random }) => {
    const trial = new Trial((error) => YamlError.is(error));
    const json = '{"a": [1, -2.5e3, "x\\u00e9\\n", true, null], "b": {"c": {}, "d": []}}';
    for (let left = cases; left > 0; left--) {
      trial.try(mutateText(random, json), (text) => {
        const value = parseJson(text);
        expect(jsonFault(text), text).toBe(text.length);
        return value;
      });
    }
    return trial.measured;
  },
);
