// Builds the API reference of the published packages into api-reference/, from the sources of their entry points. A {@link} in
// a docstring that leads nowhere fails it. --check writes nothing.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { Application, Converter, ReflectionKind } from 'typedoc';

const ROOT = resolve(import.meta.dirname, '..');
const folders = [...readdirSync(join(ROOT, 'packages')).map((name) => join('packages', name)), 'p4src'];

/** What users import, by the source of each entry point. Generated wire messages are documented by their .proto files. */
const entries = new Map();
for (const folder of folders) {
  const {
    name,
    private: isPrivate,
    exports,
  } = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'));
  if (isPrivate) continue;
  for (const [subpath, conditions] of Object.entries(exports)) {
    const source = conditions['@infra-offload/source'];
    if (source !== undefined && subpath !== './proto')
      entries.set(join(ROOT, folder, source), join(name, subpath));
  }
}

const app = await Application.bootstrap({
  name: 'infra-offload',
  readme: 'none',
  tsconfig: join(ROOT, 'tsconfig.json'),
  entryPoints: [...entries.keys()],
  out: join(ROOT, 'api-reference'),
  excludePrivate: true,
  excludeExternals: true,
  // tsc checks types.
  skipErrorChecking: true,
  disableSources: true,
  validation: { invalidLink: true, notExported: false, notDocumented: false },
});

/** TypeDoc names modules by their paths; here they have the names that users import. */
const names = new Map(
  [...entries].map(([source, name]) => [relative(ROOT, source).replace(/(\/index)?\.ts$/, ''), name]),
);
app.converter.on(Converter.EVENT_CREATE_DECLARATION, (_context, reflection) => {
  if (reflection.kindOf(ReflectionKind.Module))
    reflection.name = names.get(reflection.name) ?? reflection.name;
});

const project = await app.convert();
if (project !== undefined) app.validate(project);
if (project === undefined || app.logger.hasErrors() || app.logger.hasWarnings()) process.exit(1);
if (!process.argv.includes('--check')) await app.generateOutputs(project);
