import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { encodedLength, statusText } from '@infra-offload/grpc';
import { Error as P4Error, Status } from '@infra-offload/p4rt/proto';
import { SoftswitchError } from '../errors.js';

const DETAILS_KEY = 'grpc-status-details-bin';
/** What a header costs beside its value (RFC 9113, section 6.5.2). */
const HEADER_BYTES = DETAILS_KEY.length + 32;
/** Longest text of the status itself. */
const MESSAGE_LIMIT = 1_000;
/** Its share of what there is room for; it goes twice, since google.rpc.Status repeats it. */
const MESSAGE_SHARE = 1 / 16;
/** Longest text for one update, when there is room for it. */
const DETAIL_LIMIT = 600;
/** A text that would have to be shorter than this says nothing. */
const LEAST_TEXT = 24;
/** Bytes that a text costs by being there: its tag and length, and longer lengths around it. */
const TEXT_OVERHEAD = 6;

/** How a p4.v1.Error is put. */
interface Form {
  readonly typeUrl: string;
  readonly space: string;
}

const FULL: Form = { typeUrl: 'type.googleapis.com/p4.v1.Error', space: 'softswitch' };
/** All that protobuf asks of a type URL is a slash before the name. */
const SHORT: Form = { typeUrl: '/p4.v1.Error', space: '' };

export type ServiceFailure = Pick<StatusObject, 'code' | 'details'> & { metadata?: Metadata };

/** The gRPC status for an error that concerns a whole request. */
export function failure(error: unknown): ServiceFailure {
  const known = SoftswitchError.from(error);
  return { code: known.status, details: known.message };
}

/** How one part of a batch went; undefined is well. */
type Result = SoftswitchError | undefined;

/**
 * The gRPC status for a batch of which some parts failed: code UNKNOWN, and a p4.v1.Error for each part, in order, code
 * OK where it went well (P4Runtime 1.5, "Error Reporting Messages"). So that the client can take it, texts are
 * shortened, then left out; if not even the codes fit, the status names the first failures and has no details.
 *
 * @param room how many bytes text and metadata may have together, see `statusBytes`
 */
export function batchFailure(what: string, results: readonly Result[], room: number): ServiceFailure {
  const failed = results.flatMap((error, index) => (error === undefined ? [] : [{ error, index }]));
  const total = `${failed.length} of ${results.length} ${what} failed`;
  const [first] = failed;
  const cause = first === undefined ? '' : `; #${first.index}: ${first.error.code}: ${first.error.message}`;
  const message = statusText(`${total}${cause}`, Math.min(MESSAGE_LIMIT, Math.floor(room * MESSAGE_SHARE)));
  const bytes = Math.floor((room - encodedLength(message) - HEADER_BYTES) / 4) * 3;
  const encoded = encodeDetails(message, results, failed.length, bytes);
  if (encoded !== undefined) {
    const metadata = new Metadata();
    metadata.set(DETAILS_KEY, encoded);
    return { code: status.UNKNOWN, details: message, metadata };
  }
  const list = failed.slice(0, 20).map(({ index, error }) => `#${index} ${error.code}`);
  const hint = `the status of each does not fit the ${room} bytes that the client takes: send smaller batches`;
  const details = `${total}; ${hint}; first failures: ${list.join(', ')}${cause}`;
  return { code: status.UNKNOWN, details: statusText(details, Math.min(2 * MESSAGE_LIMIT, room)) };
}

/** A google.rpc.Status of at most `bytes`, in the fullest form that fits. */
function encodeDetails(
  message: string,
  results: readonly Result[],
  failures: number,
  bytes: number,
): Buffer | undefined {
  for (const form of [FULL, SHORT]) {
    const bare = encode(message, results, form, 0);
    const spare = Math.floor((bytes - bare.length) / Math.max(1, failures)) - TEXT_OVERHEAD;
    if (spare >= LEAST_TEXT) return encode(message, results, form, Math.min(spare, DETAIL_LIMIT));
    if (form === SHORT && bare.length <= bytes) return bare;
  }
  return undefined;
}

function encode(
  message: string,
  results: readonly Result[],
  { typeUrl, space }: Form,
  limit: number,
): Buffer {
  const details = results.map((error) => {
    const value =
      error === undefined
        ? { canonicalCode: status.OK, message: '', space: '', code: 0 }
        : { canonicalCode: error.status, message: shorten(error.message, limit), space, code: 0 };
    return { typeUrl, value: P4Error.encode(value).finish() };
  });
  return Buffer.from(Status.encode({ code: status.UNKNOWN, message, details }).finish());
}

/** Cuts a text to so many bytes, on a character boundary. */
function shorten(text: string, limit: number): string {
  if (limit === 0) return '';
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= limit) return text;
  let end = limit - 3;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return `${bytes.toString('utf8', 0, end)}…`;
}
