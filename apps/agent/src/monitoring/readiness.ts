import { Gauge, type Registry } from 'prom-client';

/** What can keep pods from being attached, or should not be as it is; a label of metrics. */
export type ReadinessReason =
  | 'host_interface'
  | 'kernel'
  | 'certificates'
  | 'state'
  | 'kubernetes_api'
  | 'felix'
  | 'manager'
  | 'calico_tcp'
  | 'healthz';

/** One thing that is looked at. */
export interface ReadinessCheck {
  readonly reason: ReadinessReason;
  /** In words; undefined if all is well. */
  readonly problem: () => string | undefined;
  /** Pods are attached all the same. */
  readonly isWarning?: boolean;
}

/** Whether pods can be attached, and what should not be as it is. */
export class Readiness {
  readonly #checks: readonly ReadinessCheck[];

  constructor(checks: readonly ReadinessCheck[], registry: Registry) {
    this.#checks = checks;
    new Gauge({
      name: 'infra_agent_problem',
      help: '1 for each problem that keeps pods from being attached or, with severity warning, for any other, named as in /readyz',
      labelNames: ['reason', 'severity'] as const,
      registers: [registry],
      collect() {
        for (const { reason, problem, isWarning = false } of checks) {
          this.set({ reason, severity: isWarning ? 'warning' : 'error' }, problem() === undefined ? 0 : 1);
        }
      },
    });
  }

  /** What keeps pods from being attached, in words; empty if nothing does. */
  problems(): string[] {
    return this.#list(false);
  }

  /** What should not be as it is, in words. */
  warnings(): string[] {
    return this.#list(true);
  }

  #list(isWarning: boolean): string[] {
    return this.#checks
      .filter((check) => (check.isWarning ?? false) === isWarning)
      .flatMap(({ problem }) => problem() ?? []);
  }
}
