import { defineConfig } from 'tsup';
import { library } from '../../tsup.base.js';

export default defineConfig(library(['src/cli.ts', 'src/swx-engine.ts', 'src/index.ts']));
