import { felix } from '@infra-offload/infra-api';
import { ManagerError } from '../errors.js';
import type { Logger } from '../log.js';
import type { StateDirectory } from '../state/directory.js';
import { LogFile, type StorageProblem } from '../state/log-file.js';
import { FelixFacts, isPolicyPayload, messageOf, type PolicyPayload } from './felix-facts.js';

const FORMAT = 'ipdk-felix/2';
const FILE = 'ipdk-felix.log';

/** What a journal held when it was opened. */
export interface JournalContents {
  readonly payloads: readonly PolicyPayload[];
  /** It held something that cannot be read any more. */
  readonly isLost: boolean;
}

/**
 * What an IPDK agent has passed on of Felix, in a file, since nobody says it again after a restart of the manager: a record a
 * message. As for {@link LogFile}, nothing that the disk does is an error.
 */
export class FelixJournal {
  readonly #facts: FelixFacts;
  readonly #log: LogFile;

  private constructor(facts: FelixFacts, log: LogFile) {
    this.#facts = facts;
    this.#log = log;
  }

  static async open(
    directory: StateDirectory,
    logger: Logger,
  ): Promise<{ readonly journal: FelixJournal; readonly contents: JournalContents }> {
    const facts = new FelixFacts();
    const { log, found } = await LogFile.open(
      { directory, name: FILE, format: FORMAT, contents: () => encodeAll(facts), logger },
      (records) => {
        const payloads = records.map(decode);
        for (const payload of payloads) facts.apply(payload);
      },
    );
    return {
      journal: new FelixJournal(facts, log),
      contents: {
        payloads: [...facts.payloads()],
        isLost: found.kind === 'unusable' && found.hadRecords,
      },
    };
  }

  /** Why nothing can be stored at present; undefined if it can. */
  get problem(): StorageProblem | undefined {
    return this.#log.problem;
  }

  /** Notes a message; {@link stored} tells when it is safe. */
  append(payload: PolicyPayload): void {
    this.#facts.apply(payload);
    this.#log.append(encode(payload));
  }

  /** Resolves when everything noted so far survives a crash of this process, or cannot be stored at present. */
  stored(): Promise<void> {
    return this.#log.stored();
  }

  close(): Promise<void> {
    return this.#log.close();
  }
}

function encode(payload: PolicyPayload): Uint8Array {
  return felix.ToDataplane.encode({ sequenceNumber: 0n, payload }).finish();
}

function* encodeAll(facts: FelixFacts): Generator<Uint8Array> {
  for (const payload of facts.payloads()) yield encode(payload);
}

/** @throws ManagerError STORE, FelixError, or what the codec throws. */
function decode(record: Buffer): PolicyPayload {
  const { payload } = felix.ToDataplane.decode(record);
  if (payload === undefined || !isPolicyPayload(payload))
    throw new ManagerError('STORE', `a record holds ${payload?.$case ?? 'no message'}`);
  // Only what says what it is about was written.
  messageOf(payload);
  return payload;
}
