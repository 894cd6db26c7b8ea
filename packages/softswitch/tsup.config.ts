import { defineConfig } from 'tsup';
import { library } from '../../tsup.base.js';

export default defineConfig(
  library({
    cli: 'src/cli.ts',
    'swx-engine': 'src/swx-engine.ts',
    index: 'src/index.ts',
    offline: 'src/offline/index.ts',
  }),
);
