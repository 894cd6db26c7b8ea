// Completes the types of a package's namespaces (`export * as gnmi from …`), after tsup: namespace-types.mjs, in the package's
// folder. tsup's bundler of declarations gives an interface and a constant of one name a namespace member that is the constant
// alone, so that `gnmi.Path` would be no type. A type of the same alias makes it both.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

for (const file of readdirSync('dist').filter((name) => name.endsWith('.d.ts'))) {
  const text = readFileSync(`dist/${file}`, 'utf8');
  const interfaces = new Set([...text.matchAll(/^interface ([\w$]+) /gm)].map(([, name]) => name));
  const completed = text.replace(/^declare const ([\w$]+): typeof ([\w$]+);$/gm, (constant, alias, name) =>
    interfaces.has(name) && alias !== name ? `${constant}\ntype ${alias} = ${name};` : constant,
  );
  if (completed !== text) writeFileSync(`dist/${file}`, completed);
}
