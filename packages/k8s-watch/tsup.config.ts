import { defineConfig } from 'tsup';

export default defineConfig({
  entry: { index: 'src/index.ts', api: 'src/api/index.ts' },
  format: 'esm',
  target: 'node20',
  dts: true,
  sourcemap: true,
  clean: true,
});
