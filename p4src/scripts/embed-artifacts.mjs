// Writes the texts of dpdk/ and es2k/ into src/gen/artifacts.ts. Run by generate.sh.
import { readFileSync, writeFileSync } from 'node:fs';

const artifacts = {
  p4info: 'k8s_dp.p4info.txtpb',
  spec: 'k8s_dp.spec',
  context: 'context.json',
  bfrt: 'bf-rt.json',
};

const programs = ['dpdk', 'es2k'].map((folder) => {
  const texts = Object.entries(artifacts).map(([name, file]) => {
    const text = readFileSync(new URL(`../${folder}/${file}`, import.meta.url), 'utf8');
    return `  /** ${folder}/${file} */\n  ${name}:\n    ${JSON.stringify(text)},\n`;
  });
  return `export const ${folder} = {\n${texts.join('')}} as const;\n`;
});
const source = `// Written by scripts/embed-artifacts.mjs from dpdk/ and es2k/. Do not edit.\n\n${programs.join('\n')}`;
writeFileSync(new URL('../src/gen/artifacts.ts', import.meta.url), source);
