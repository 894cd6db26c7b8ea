import { beforeEach, describe, expect, it } from 'vitest';
import { KubernetesApiError, type KubernetesApiErrorCode } from './error.js';
import { explain } from './explain.js';
import { type ApiProblem, ProblemBook } from './problem.js';

const problem = (message: string, code: ApiProblem['code'] = 'UNREACHABLE'): ApiProblem => ({
  code,
  message,
  kind: 'Service',
});

let told: string[];
let book: ProblemBook;
beforeEach(() => {
  told = [];
  book = new ProblemBook(({ type, problem: { message } }) => void told.push(`${type} ${message}`));
});
const now = () => [...book.list()].map(({ message }) => message);

describe('the problem of requests', () => {
  it('is told once as long as it is the same, and once when it is gone', () => {
    book.requestFailed(problem('a'), true);
    book.requestFailed(problem('a'), true);
    expect([told, now()]).toEqual([['problem a'], ['a']]);
    book.requestsWork();
    book.requestsWork();
    expect([told, now()]).toEqual([['problem a', 'resolved a'], []]);
    book.requestFailed(problem('a'), true);
    expect(told.at(-1)).toBe('problem a');
    expect(told).toHaveLength(3);
  });

  it('takes the place of the one before', () => {
    book.requestFailed(problem('a'), true);
    book.requestFailed(problem('b'), true);
    book.requestFailed(problem('b', 'OVERLOADED'), true);
    expect(told).toEqual(['problem a', 'resolved a', 'problem b', 'resolved b', 'problem b']);
    expect(now()).toEqual(['b']);
  });

  it('is known at once, but told when it is worth it, and then only is its end', () => {
    book.requestFailed(problem('a'), false);
    expect([told, now()]).toEqual([[], ['a']]);
    book.requestsWork();
    expect([told, now()]).toEqual([[], []]);
    book.requestFailed(problem('a'), false);
    book.requestFailed(problem('a'), true);
    expect(told).toEqual(['problem a']);
  });
});

describe('problems of objects', () => {
  it('are told each once, beside that of the requests', () => {
    book.requestFailed(problem('r'), true);
    book.objectInvalid('x', problem('x is odd'));
    book.objectInvalid('x', problem('x is odd'));
    book.objectInvalid('y', problem('y is odd'));
    expect(now()).toEqual(['r', 'x is odd', 'y is odd']);
    book.objectInvalid('x', problem('x is odder'));
    book.objectValid('y');
    book.objectValid('z');
    expect(told.slice(1)).toEqual([
      'problem x is odd',
      'problem y is odd',
      'resolved x is odd',
      'problem x is odder',
      'resolved y is odd',
    ]);
  });

  it('are gone with objects that a list does not have any more', () => {
    book.objectInvalid('x', problem('x'));
    book.objectInvalid('y', problem('y'));
    book.keepObjects((key) => key === 'x');
    expect(now()).toEqual(['x']);
    expect(told.at(-1)).toBe('resolved y');
    expect(told).toHaveLength(3);
  });
});

describe('what failed is explained', () => {
  const of = (code: KubernetesApiErrorCode, kind: ApiProblem['kind'] = 'Service') =>
    explain(new KubernetesApiError(code, 'why'), kind, 'watch');

  it.each<[KubernetesApiErrorCode, string]>([
    ['UNAUTHORIZED', 'the server refuses the credentials, which are read again for each attempt; why'],
    ['NOT_SERVED', 'the server does not have v1; why'],
    ['OVERLOADED', 'the server asks to come back later; why'],
    ['BAD_RESPONSE', 'why; everything is listed again'],
    ['CONFIG', 'why'],
    ['CREDENTIALS', 'why'],
    ['UNREACHABLE', 'why'],
    ['EXPIRED', 'why'],
    ['SERVER_ERROR', 'why'],
  ])('for %s', (code, text) => expect(of(code)).toBe(`cannot watch services: ${text}`));

  it('with the rule that is missing, as RBAC has it', () => {
    expect(of('FORBIDDEN')).toBe(
      'cannot watch services: a ClusterRole must allow the verbs "list" and "watch" on resource "services" of the core API group (""), here "watch" is missing; why',
    );
    expect(of('FORBIDDEN', 'NetworkPolicy')).toContain(
      'on resource "networkpolicies" of API group "networking.k8s.io", here',
    );
    expect(of('NOT_SERVED', 'NetworkPolicy')).toContain('does not have networking.k8s.io/v1; why');
  });
});
