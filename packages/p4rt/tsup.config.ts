import { defineConfig } from 'tsup';
import { library } from '../../tsup.base.js';

export default defineConfig(
  library({ index: 'src/index.ts', proto: 'src/proto.ts', testing: 'src/testing/index.ts' }),
);
