import { defineConfig } from 'tsup';
import { programs } from '../../tsup.base.js';

export default defineConfig(programs({ sockets: 'src/sockets/main.ts' }));
