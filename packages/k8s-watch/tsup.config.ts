import { defineConfig } from 'tsup';
import { library } from '../../tsup.base.js';

export default defineConfig(
  library({
    index: 'src/index.ts',
    api: 'src/api/index.ts',
    testing: 'src/testing/index.ts',
    'fake-apiserver': 'src/testing/fake-apiserver.ts',
  }),
);
