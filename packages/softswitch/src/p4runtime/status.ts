import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import type { Any } from '@infra-offload/p4info/proto';
import { Error as P4Error, Status } from '@infra-offload/p4rt/proto';
import { SoftswitchError } from '../errors.js';

const TYPE_URL = 'type.googleapis.com/p4.v1.Error';
const SPACE = 'softswitch';
/**
 * Bytes of details that a failed request may carry. They go out as a base64 trailer, and grpc-js clients hang, until
 * their deadline, on more than about 60,000 characters of trailers.
 */
export const DETAILS_BUDGET = 42_000;
/** Longest text of the status itself. */
const MESSAGE_LIMIT = 1_000;
/** Longest text for one update, when there is room for it. */
const DETAIL_LIMIT = 600;
/** Bytes that a detail costs beside its text: the Any around it, its type, the code, the space. */
const DETAIL_OVERHEAD = TYPE_URL.length + 30;
const OK_DETAIL_SIZE = TYPE_URL.length + 6;

export type ServiceFailure = Pick<StatusObject, 'code' | 'details'> & { metadata?: Metadata };

/** The gRPC status for an error that concerns a whole request. */
export function failure(error: unknown): ServiceFailure {
  const known = SoftswitchError.from(error);
  return { code: known.status, details: shorten(known.message, MESSAGE_LIMIT) };
}

/**
 * The gRPC status for a batch of which some parts failed: code UNKNOWN, and a p4.v1.Error for each part, `undefined`
 * meaning OK (P4Runtime 1.5, "Error Reporting Messages"). Texts are shortened to stay within {@link DETAILS_BUDGET};
 * for batches so large that even the bare codes do not fit, the status names the failures and has no details.
 */
export function batchFailure(
  what: string,
  results: readonly (SoftswitchError | undefined)[],
): ServiceFailure {
  const failed = results.flatMap((error, index) => (error === undefined ? [] : [{ error, index }]));
  const first = failed[0];
  const total = `${failed.length} of ${results.length} ${what} failed`;
  const message = shorten(
    first === undefined ? total : `${total}; #${first.index}: ${first.error.code}: ${first.error.message}`,
    MESSAGE_LIMIT,
  );
  const bare = (results.length - failed.length) * OK_DETAIL_SIZE + failed.length * DETAIL_OVERHEAD;
  const room = DETAILS_BUDGET - MESSAGE_LIMIT - bare;
  if (room < 0) {
    const list = failed.slice(0, 20).map(({ index, error }) => `#${index} ${error.code}`);
    return {
      code: status.UNKNOWN,
      details: shorten(
        `${message}; batch too large for a status of each (first failures: ${list.join(', ')})`,
        2_000,
      ),
    };
  }
  const limit = Math.min(DETAIL_LIMIT, Math.floor(room / Math.max(1, failed.length)));
  const details = results.map((error) => toDetail(error, limit));
  const metadata = new Metadata();
  const encoded = Status.encode({ code: status.UNKNOWN, message, details }).finish();
  metadata.set('grpc-status-details-bin', Buffer.from(encoded));
  return { code: status.UNKNOWN, details: message, metadata };
}

function toDetail(error: SoftswitchError | undefined, limit: number): Any {
  const value =
    error === undefined
      ? { canonicalCode: status.OK, message: '', space: '', code: 0 }
      : { canonicalCode: error.status, message: shorten(error.message, limit), space: SPACE, code: 0 };
  return { typeUrl: TYPE_URL, value: P4Error.encode(value).finish() };
}

/** Cuts a text to so many bytes, on a character boundary. */
function shorten(text: string, limit: number): string {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= limit) return text;
  if (limit < 4) return '';
  let end = limit - 3;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return `${bytes.toString('utf8', 0, end)}…`;
}
