import type { PolicyDriver } from '../driver.js';
import type { Es2kRow } from './rows.js';

/** For a package without policy tables: policies are reported, and not in force. */
export const withoutPolicy: PolicyDriver<Es2kRow> = {
  limits: { ids: 255 },
  bundle: (id) => `profile/${id}`,
  compile: () => ({
    content: '',
    frame: '',
    rows: () => [],
    conditions: [
      {
        severity: 'degraded',
        reason: 'PolicyNotInPackage',
        message: 'the pipeline package on the target has no policy tables: policies are not in force',
      },
    ],
  }),
  isolation: () => [],
};
