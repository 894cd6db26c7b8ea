import { defineConfig, type Options } from 'tsup';

/** One file without imports, to be copied to wherever it is started from. */
const standalone: Options = {
  format: 'iife',
  platform: 'node',
  target: 'node20',
  dts: false,
  sourcemap: false,
  minify: true,
  noExternal: [/.*/],
  outExtension: () => ({ js: '.js' }),
  esbuildOptions(options) {
    options.conditions = ['@infra-offload/source', 'node', 'import', 'default'];
    // It runs as CommonJS or as a module, whatever its name and the directory it is copied to: neither `require` nor
    // `import`, but the one way to Node's own modules that both have (Node 20.16).
    options.banner = { js: '((require) => {' };
    options.footer = { js: '})((name) => process.getBuiltinModule(name));' };
  },
};

export default defineConfig([
  {
    entry: ['src/cli.ts'],
    format: 'esm',
    target: 'node20',
    dts: false,
    sourcemap: true,
    clean: true,
  },
  // For the runtime's plugin directory: started anew for every pod, so its size is time.
  { ...standalone, entry: ['src/infra-cni.ts'] },
  // For Felix, which starts it as its dataplane driver.
  { ...standalone, entry: ['src/felix-api-proxy.ts'] },
]);
