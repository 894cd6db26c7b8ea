import { defineConfig } from 'tsup';
import { library } from '../../tsup.base.js';

export default defineConfig({
  ...library({ index: 'src/index.ts', 'pod-main': 'src/pod/main.ts', relay: 'src/relay/main.ts' }),
  dts: { entry: { index: 'src/index.ts' } },
});
