import ts from 'typescript';

/** How snippets beside the sources are compiled. */
export const SNIPPET_OPTIONS: ts.CompilerOptions = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  customConditions: ['@infra-offload/source'],
  types: ['node'],
  skipLibCheck: true,
  noEmit: true,
};
