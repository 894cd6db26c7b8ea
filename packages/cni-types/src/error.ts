import { messageOf, typedError } from '@infra-offload/base';
import { type CniVersion, LATEST_VERSION } from './versions.js';

/**
 * Error codes of the CNI specification (1.1.0, section 5, "Error"); 8 and 999 are libcni's. Codes from 100 on belong
 * to the plugin that uses them.
 */
export const CniErrorCode = {
  /** The configuration's cniVersion is not supported. */
  incompatibleVersion: 1,
  /** A field of the configuration is not supported; the message names key and value. */
  unsupportedField: 2,
  /** The runtime need not clean up: the container is unknown. */
  unknownContainer: 3,
  /** A CNI_ environment variable is missing or malformed. */
  invalidEnvironment: 4,
  /** Reading or writing failed, standard input for example. */
  ioFailure: 5,
  /** Content is not what it should be: no JSON, or of another shape. */
  decodeFailure: 6,
  /** The network configuration is wrong. */
  invalidConfig: 7,
  /** CNI_NETNS does not lead to a network namespace. */
  invalidNetns: 8,
  /** A passing condition; the runtime should try again later. */
  tryAgainLater: 11,
  /** STATUS: the plugin cannot serve ADD. */
  notAvailable: 50,
  /** STATUS: the plugin cannot serve ADD, and existing containers may have lost connectivity. */
  notAvailableLimited: 51,
  /** A fault of the plugin itself. */
  internal: 999,
} as const;

/** The error result of a plugin (CNI 1.1.0, section 5, "Error"). */
export interface CniErrorJson {
  readonly cniVersion: string;
  readonly code: number;
  readonly msg: string;
  readonly details?: string;
}

/** An error with a CNI error code: the message becomes `msg`, the longer explanation `details`. */
export class CniError extends typedError<number, string | undefined>('CniError', undefined) {
  /** `error` itself if it is a CniError, else one with `code` (999 by default) and the message of `error`. */
  static from(error: unknown, code: number = CniErrorCode.internal): CniError {
    if (CniError.is(error)) return error;
    return new CniError(code, messageOf(error), { cause: error });
  }

  /** Reads the error result of another plugin; undefined if `value` is none. */
  static parse(value: unknown): CniError | undefined {
    if (typeof value !== 'object' || value === null || !('code' in value) || typeof value.code !== 'number') {
      return undefined;
    }
    const text = (key: string) => {
      const field: unknown = Reflect.get(value, key);
      return typeof field === 'string' ? field : undefined;
    };
    return new CniError(value.code, text('msg') ?? '', { details: text('details') || undefined });
  }

  /** The error result, for standard output; the process must then exit with a code other than 0. */
  toResult(cniVersion: CniVersion = LATEST_VERSION): CniErrorJson {
    const json = { cniVersion, code: this.code, msg: this.message };
    return this.details === undefined ? json : { ...json, details: this.details };
  }
}
