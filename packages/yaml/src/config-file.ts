import { readDocuments, type YamlDocument } from './documents.js';
import { type Position, YamlError } from './error.js';
import { readTextFileSync } from './file.js';
import { CONFIG_LIMITS } from './limits.js';

export type Settings = Readonly<Record<string, unknown>>;

/** A configuration file: one document, which is a mapping, and no key of which is given twice. */
export class ConfigFile {
  readonly file: string;
  /** Empty for an empty file. */
  readonly settings: Settings;
  readonly #document: YamlDocument | undefined;

  /**
   * Reads a configuration file.
   *
   * @throws {YamlError} whose message is one line, `file:line:column: reason`
   */
  static read(file: string): ConfigFile {
    return ConfigFile.parse(readTextFileSync(file, CONFIG_LIMITS.bytes), file);
  }

  /** As `read`, of a text that was read already. */
  static parse(text: string, file: string): ConfigFile {
    const [document, second] = readDocuments(text, { file, limits: CONFIG_LIMITS });
    if (second !== undefined) throw invalid(file, second.locate([]), 'a configuration is one document');
    const settings = document?.value ?? {};
    if (!isSettings(settings)) {
      throw invalid(file, document?.locate([]), 'the configuration is not a mapping of keys to values');
    }
    const [duplicate] = document?.duplicates ?? [];
    if (duplicate !== undefined) throw invalid(file, duplicate, `'${duplicate.key}' is given twice`);
    // A copy, so that what aliases share can be changed one by one.
    return new ConfigFile(file, JSON.parse(JSON.stringify(settings)), document);
  }

  private constructor(file: string, settings: Settings, document: YamlDocument | undefined) {
    this.file = file;
    this.settings = settings;
    this.#document = document;
  }

  /** `file:line:column` of a setting, or of what it is missing in; the file alone if it is empty. */
  place(path: readonly PropertyKey[]): string {
    if (this.#document === undefined) return this.file;
    const { line, column } = this.#document.locate(path);
    return `${this.file}:${line}:${column}`;
  }
}

function invalid(file: string, position: Position | undefined, reason: string): YamlError {
  return new YamlError('INVALID', reason, { details: { file, position } });
}

function isSettings(value: unknown): value is Settings {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
