import { defineConfig } from 'tsup';
import { library, programs } from '../../tsup.base.js';

export default defineConfig([
  {
    ...library({ index: 'src/index.ts', main: 'src/main.ts', load: 'src/scenarios/load-main.ts' }),
    dts: { entry: { index: 'src/index.ts' } },
    clean: ['!dns/**'],
  },
  {
    // All that its image has beside Node.js.
    ...programs({ dns: 'src/dns/main.ts' }),
    outDir: 'dist/dns',
    noExternal: [/./],
    sourcemap: false,
    splitting: false,
    banner: {
      js: "import { createRequire as requireOfBundle } from 'node:module'; const require = requireOfBundle(import.meta.url);",
    },
  },
]);
