import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { SNIPPET_OPTIONS } from './testing/snippet-options.js';

const FILE = fileURLToPath(new URL('snippet.ts', import.meta.url));
const SOURCE = `
  import { typedProgram } from './program.js';
  const descriptor = {
    name: 'small',
    tables: {
      /** Where packets go. */
      routes: {
        id: 1, size: 8, needsPriority: false, isConst: false, supportsIdleTimeout: false,
        match: {
          /** The destination. */
          dst: { id: 1, bitwidth: 32, kind: 'exact' },
        },
        actions: {
          /** Sends it. */
          send: {
            id: 2, scope: 'both',
            params: {
              /** Where to. */
              port: { id: 1, bitwidth: 9 },
            },
          },
        },
      },
    },
    actionProfiles: {}, counters: {}, directCounters: {}, meters: {}, directMeters: {}, registers: {}, digests: {},
    valueSets: {}, packetMetadata: {},
  } as const;
  const { tables } = typedProgram(descriptor);
  tables./*1*/routes.entry({ /*2*/dst: 1 }, tables.routes.actions./*3*/send({ /*4*/port: 1 }));
`;

it('the docstrings of a descriptor are those of what is made from it', () => {
  const service = ts.createLanguageService({
    getCompilationSettings: () => SNIPPET_OPTIONS,
    getScriptFileNames: () => [FILE],
    getScriptVersion: () => '1',
    getScriptSnapshot: (name) => {
      const text = name === FILE ? SOURCE : ts.sys.readFile(name);
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
    },
    getCurrentDirectory: () => fileURLToPath(new URL('.', import.meta.url)),
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: (name) => name === FILE || ts.sys.fileExists(name),
    readFile: ts.sys.readFile,
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
  });
  const docs = [1, 2, 3, 4].map((place) => {
    const marker = `/*${place}*/`;
    const info = service.getQuickInfoAtPosition(FILE, SOURCE.indexOf(marker) + marker.length);
    return ts.displayPartsToString(info?.documentation);
  });
  expect(docs).toEqual(['Where packets go.', 'The destination.', 'Sends it.', 'Where to.']);
});
