import { describe, expect, it } from 'vitest';
import { KubernetesApiError } from './error.js';
import { type ApiRequest, statusError } from './http.js';
import { listPages } from './list.js';
import { MAX_EVENT_BYTES, watchEvents } from './watch.js';

const signal = new AbortController().signal;
const common = { path: 'api/v1/services', selector: {}, answerMs: 1, silenceMs: 1, signal };

/** Gives each request the next of these answers, in pieces. */
function answering(...answers: (readonly string[])[]) {
  const requests: ApiRequest[] = [];
  return {
    requests,
    async *get(request: ApiRequest) {
      requests.push(request);
      for (const piece of answers.shift() ?? []) yield Buffer.from(piece);
    },
  };
}

async function collect<T>(generator: AsyncIterable<T>): Promise<{ values: T[]; error?: unknown }> {
  const values: T[] = [];
  try {
    for await (const value of generator) values.push(value);
    return { values };
  } catch (error) {
    return { values, error };
  }
}

describe('a list', () => {
  const list = (more: object) => [JSON.stringify({ metadata: { resourceVersion: '7' }, items: [], ...more })];

  it('is asked for page by page, until a page names no next one', async () => {
    const client = answering(
      list({ metadata: { resourceVersion: '7', continue: 'more' }, items: [1] }),
      list({ metadata: { resourceVersion: '8', continue: '' }, items: [2] }),
    );
    const selector = { labelSelector: 'a=b' };
    const { values } = await collect(listPages(client, { ...common, selector, limit: 500 }));
    expect(values).toEqual([
      { items: [1], resourceVersion: '7' },
      { items: [2], resourceVersion: '8' },
    ]);
    expect(client.requests.map(({ query }) => query)).toEqual([
      { labelSelector: 'a=b', limit: '500', continue: undefined },
      { labelSelector: 'a=b', limit: '500', continue: 'more' },
    ]);
  });

  it('may come in pieces, and without items as Go writes it', async () => {
    const [text = ''] = list({ items: null });
    const client = answering([text.slice(0, 9), text.slice(9)]);
    const { values } = await collect(listPages(client, common));
    expect(values).toEqual([{ items: [], resourceVersion: '7' }]);
    expect(client.requests[0]?.query.limit).toBeUndefined();
  });

  it.each([
    ['[]', 'the list has no metadata'],
    ['null', 'the list has no metadata'],
    ['{"metadata":7}', 'the list has no metadata'],
    ['{"metadata":{}}', 'the list has no resourceVersion'],
    ['{"metadata":{"resourceVersion":""}}', 'the list has no resourceVersion'],
    ['{"metadata":{"resourceVersion":7}}', 'the list has no resourceVersion'],
    ['{"metadata":{"resourceVersion":"7"},"items":{}}', 'the items of the list are not an array'],
    ['{', /^the list is not JSON: /],
    [`${'['.repeat(200_000)}`, /^the list /],
  ])('that is %s is refused', async (text, message) => {
    const { values, error } = await collect(listPages(answering([text]), common));
    expect(values).toEqual([]);
    expect(error).toMatchObject({
      name: 'KubernetesApiError',
      code: 'BAD_RESPONSE',
      message: typeof message === 'string' ? message : expect.stringMatching(message),
    });
  });
});

describe('a watch', () => {
  const watch = (...pieces: string[]) => {
    const client = answering(pieces);
    const options = { ...common, resourceVersion: '7', timeoutSeconds: 300, onAccepted: () => {} };
    return { client, watched: collect(watchEvents(client, options)) };
  };
  const event = (type: unknown, object: unknown) => `${JSON.stringify({ type, object })}\n`;
  const at = (resourceVersion: unknown) => ({ metadata: { resourceVersion } });

  it('asks for bookmarks from a version on, and gives what came together together', async () => {
    const { client, watched } = watch(
      event('ADDED', at('8')) + event('MODIFIED', at('9')),
      '\n',
      event('DELETED', at('10')) + event('BOOKMARK', at('11')),
    );
    expect(await watched).toEqual({
      values: [
        [
          { type: 'set', object: at('8'), resourceVersion: '8' },
          { type: 'set', object: at('9'), resourceVersion: '9' },
        ],
        [
          { type: 'delete', object: at('10'), resourceVersion: '10' },
          { type: 'bookmark', resourceVersion: '11' },
        ],
      ],
    });
    expect(client.requests[0]?.query).toEqual({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: '7',
      timeoutSeconds: '300',
    });
  });

  it.each<[string, string, RegExp]>([
    ['no object', '{"type":"ADDED"}\n', /^the watch sent no event: {"type":"ADDED"}$/],
    ['no event', '7\n', /^the watch sent no event: 7$/],
    ['no JSON', 'x\n', /^the watch sent 'x', which is not JSON: /],
    ['no version', event('ADDED', {}), /^the watch sent an event without resourceVersion: /],
    ['an empty version', event('ADDED', at('')), /^the watch sent an event without resourceVersion: /],
    [
      'a version that is a number',
      event('ADDED', at(8)),
      /^the watch sent an event without resourceVersion: /,
    ],
    ['another type', event('MOVED', at('8')), /^the watch sent an event of the unknown type "MOVED"$/],
    ['half an event', '{"type":', /^the watch ended within an event$/],
    [
      'an event without end',
      'x'.repeat(MAX_EVENT_BYTES + 1),
      new RegExp(`^the watch sent a line of more than ${MAX_EVENT_BYTES} bytes$`),
    ],
  ])('with %s in it is given up, after what came before', async (_, text, message) => {
    const { values, error } = await watch(event('ADDED', at('8')), text).watched;
    expect(values).toHaveLength(1);
    expect(error).toMatchObject({ code: 'BAD_RESPONSE', message: expect.stringMatching(message) });
  });

  it('shows no more than the beginning of what is no event', async () => {
    const text = (length: number) => JSON.stringify('x'.repeat(length - 2));
    expect((await watch(`${text(100)}\n`).watched).error).toHaveProperty(
      'message',
      `the watch sent no event: ${text(100)}`,
    );
    expect((await watch(`${text(101)}\n`).watched).error).toHaveProperty(
      'message',
      `the watch sent no event: ${text(101).slice(0, 100)}… (101 characters)`,
    );
  });

  it.each<[string, object, object]>([
    ['410', { code: 410, message: 'too old' }, { code: 'EXPIRED', message: 'status 410: too old' }],
    [
      '429 with a time',
      { code: 429, details: { retryAfterSeconds: 3 } },
      { code: 'OVERLOADED', message: 'status 429', details: { status: 429, retryAfterMs: 3000 } },
    ],
    ['no code', { message: 7 }, { code: 'SERVER_ERROR', message: 'status 500' }],
  ])('ends by an ERROR event with %s', async (_, status, expected) => {
    const { values, error } = await watch(event('ADDED', at('8')) + event('ERROR', status)).watched;
    expect(values).toHaveLength(1);
    expect(error).toMatchObject(expected);
  });

  it('passes on what is wrong with the request', async () => {
    const failure = new KubernetesApiError('UNREACHABLE', 'gone');
    const client = {
      // biome-ignore lint/correctness/useYield: it fails before anything comes
      async *get(): AsyncGenerator<Uint8Array> {
        throw failure;
      },
    };
    const options = { ...common, resourceVersion: '7', timeoutSeconds: 1, onAccepted: () => {} };
    expect((await collect(watchEvents(client, options))).error).toBe(failure);
  });
});

it.each([
  [401, undefined, 'UNAUTHORIZED'],
  [403, undefined, 'FORBIDDEN'],
  [404, undefined, 'NOT_SERVED'],
  [410, undefined, 'EXPIRED'],
  [429, undefined, 'OVERLOADED'],
  [503, undefined, 'SERVER_ERROR'],
  [503, 0, 'OVERLOADED'],
  [500, 1000, 'SERVER_ERROR'],
  [204, undefined, 'SERVER_ERROR'],
])('the status %i with Retry-After %j is the code %s', (status, retryAfterMs, code) => {
  expect(statusError(status, '', retryAfterMs)).toMatchObject({ code, message: `status ${status}` });
  const { message, details } = statusError(status, 'why', retryAfterMs);
  expect(message).toBe(`status ${status}: why`);
  expect(details).toEqual(retryAfterMs === undefined ? { status } : { status, retryAfterMs });
});
