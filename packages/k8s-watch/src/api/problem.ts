import type { ObjectKind } from '../objects/kinds.js';
import type { KubernetesApiErrorCode } from './error.js';

/** Those of `KubernetesApiError`, and `INVALID_OBJECT`: an object that cannot be read; its last good state stays. */
export type ApiProblemCode = KubernetesApiErrorCode | 'INVALID_OBJECT';

export interface ApiProblem {
  readonly code: ApiProblemCode;
  /** One line for people that names everything below, and what to do. */
  readonly message: string;
  readonly kind: ObjectKind;
  /** "Service default/web". */
  readonly object?: string;
  /** Of failing requests: when the first of them failed, whatever they have failed by since. */
  readonly since?: Date;
}

/** A problem is told when it comes up and, once, when it is gone. */
export interface ApiReport {
  readonly type: 'problem' | 'resolved';
  readonly problem: ApiProblem;
}

/** The problems of one resource: at most one of its requests, and one for each object that cannot be read. */
export class ProblemBook {
  readonly #report: (report: ApiReport) => void;
  #ofRequests: ApiProblem | undefined;
  #isTold = false;
  readonly #ofObjects = new Map<string, ApiProblem>();

  constructor(report: (report: ApiReport) => void) {
    this.#report = report;
  }

  *list(): Iterable<ApiProblem> {
    if (this.#ofRequests) yield this.#ofRequests;
    yield* this.#ofObjects.values();
  }

  /** @param isToTell whether it is worth a report by now */
  requestFailed(problem: ApiProblem, isToTell: boolean): void {
    const before = this.#ofRequests;
    const isNew = before?.code !== problem.code || before.message !== problem.message;
    if (isNew) this.requestsWork();
    this.#ofRequests = problem;
    if (!isToTell || this.#isTold) return;
    this.#isTold = true;
    this.#report({ type: 'problem', problem });
  }

  requestsWork(): void {
    const problem = this.#ofRequests;
    this.#ofRequests = undefined;
    if (problem !== undefined && this.#isTold) this.#report({ type: 'resolved', problem });
    this.#isTold = false;
  }

  objectInvalid(key: string, problem: ApiProblem): void {
    if (this.#ofObjects.get(key)?.message === problem.message) return;
    this.objectValid(key);
    this.#ofObjects.set(key, problem);
    this.#report({ type: 'problem', problem });
  }

  /** Or gone. */
  objectValid(key: string): void {
    const problem = this.#ofObjects.get(key);
    if (problem === undefined) return;
    this.#ofObjects.delete(key);
    this.#report({ type: 'resolved', problem });
  }

  /** After a list: objects that are not in it are gone. */
  keepObjects(listed: (key: string) => boolean): void {
    for (const key of this.#ofObjects.keys()) if (!listed(key)) this.objectValid(key);
  }
}
