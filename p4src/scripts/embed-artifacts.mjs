// Writes the texts of dpdk/ into src/gen/artifacts.ts. Run by generate.sh.
import { readFileSync, writeFileSync } from 'node:fs';

const artifacts = {
  p4info: 'k8s_dp.p4info.txtpb',
  spec: 'k8s_dp.spec',
  context: 'context.json',
  bfrt: 'bf-rt.json',
};

const constants = Object.entries(artifacts).map(([name, file]) => {
  const text = readFileSync(new URL(`../dpdk/${file}`, import.meta.url), 'utf8');
  return `/** dpdk/${file} */\nexport const ${name} =\n  ${JSON.stringify(text)};\n`;
});
const source = `// Written by scripts/embed-artifacts.mjs from dpdk/. Do not edit.\n\n${constants.join('\n')}`;
writeFileSync(new URL('../src/gen/artifacts.ts', import.meta.url), source);
