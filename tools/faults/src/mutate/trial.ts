import { inspect } from 'node:util';

/** Longer inputs are cut in messages. */
const LONGEST_SHOWN = 4_000;

/** Tries inputs on something that must take or refuse each, and counts. */
export class Trial {
  readonly #isRefusal: (error: unknown) => boolean;
  #accepted = 0;
  #refused = 0;
  #slowestMs = 0;

  /** @param isRefusal whether this is an error that may be thrown: the typed one of the package that is tried */
  constructor(isRefusal: (error: unknown) => boolean) {
    this.#isRefusal = isRefusal;
  }

  /**
   * Does `work` with `input`; returns what it returns, or undefined if it refused.
   *
   * @throws {Error} with the input in its message, if `work` throws anything but a refusal
   */
  try<I, O>(input: I, work: (input: I) => O): O | undefined {
    const start = performance.now();
    try {
      const result = work(input);
      this.#accepted++;
      return result;
    } catch (error) {
      if (!this.#isRefusal(error)) {
        const name = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
        throw new Error(`threw ${name} for ${show(input)}`, { cause: error });
      }
      this.#refused++;
      return undefined;
    } finally {
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - start);
    }
  }

  /** `12,345 taken, 87,655 refused, slowest 1.2 ms`. */
  get measured(): string {
    const count = (value: number) => value.toLocaleString('en-US');
    return `${count(this.#accepted)} taken, ${count(this.#refused)} refused, slowest ${this.#slowestMs.toFixed(1)} ms`;
  }
}

function show(input: unknown): string {
  const text =
    input instanceof Uint8Array
      ? `bytes ${Buffer.from(input).toString('hex')}`
      : typeof input === 'string'
        ? JSON.stringify(input)
        : inspect(input, {
            depth: 100,
            breakLength: Number.POSITIVE_INFINITY,
            maxStringLength: LONGEST_SHOWN,
          });
  return text.length <= LONGEST_SHOWN ? text : `${text.slice(0, LONGEST_SHOWN)}… (${text.length} characters)`;
}
