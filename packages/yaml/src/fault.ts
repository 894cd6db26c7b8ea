/** What is wrong in a document, before it is known of which file and at which line. */
export class YamlFault extends Error {
  constructor(
    readonly code: 'SYNTAX' | 'LIMIT',
    readonly offset: number,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
